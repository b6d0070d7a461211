#include "enclave/serve/introduction.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "common/net/socket.h"

namespace ephemeralml::serve {
namespace {

// As much as has arrived, without waiting.
Bytes Arrived(const UniqueFd& socket) {
  Bytes bytes(64 * 1024);
  const ssize_t count = recv(socket.Get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return bytes;
}

bool HasEnded(const UniqueFd& socket) {
  uint8_t byte = 0;
  return recv(socket.Get(), &byte, 1, MSG_DONTWAIT) == 0;
}

void Say(const UniqueFd& socket, ByteSpan bytes) {
  CHECK(net::SendAll(socket.Get(), bytes, net::After(5000)));
}

// A client's connection over loopback, of which the worker's end has received `bytes`.
class Counted {
 public:
  explicit Counted(size_t bytes) {
    const UniqueFd listener = net::Listen({"127.0.0.1", 0}).value();
    const uint32_t port = net::BoundPort(listener.Get()).value();
    client_ = net::Connect(net::Resolve({"127.0.0.1", port}).value(), net::After(5000)).value();
    introduction_.emplace(
        Introduction::Begin(UniqueFd(accept(listener.Get(), nullptr, nullptr))).value());
    Say(client_, Bytes(bytes, 1));
    Bytes received(bytes);
    for (size_t count = 0; count < bytes;) {
      count += net::ReceiveSome(introduction_->ForWorker(),
                                MutableByteSpan(received).subspan(count), net::After(5000))
                   .value();
    }
  }
  Introduction& introduction() { return *introduction_; }

 private:
  UniqueFd client_;
  std::optional<Introduction> introduction_;
};

TEST(Introduction, CountsWhatTheKernelCounts) {
  for (const size_t bytes : {size_t{0}, size_t{kMostBytesBeforeEvidence}}) {
    const auto rest = Counted(bytes).introduction().End();
    ASSERT_TRUE(rest) << bytes;
    EXPECT_FALSE(rest->IsOpen());
  }
  EXPECT_EQ(Counted(kMostBytesBeforeEvidence + 1).introduction().End().error().reason,
            "worker_broke_protocol");
}

TEST(Introduction, LeavesItsWorkToTheKernelWhereItCounts) {
  Counted counted(0);
  for (const pollfd& each : counted.introduction().PollSet()) EXPECT_EQ(each.fd, -1);
}

// A client over a socket of which the kernel counts nothing.
class Carried : public testing::Test {
 protected:
  Carried() {
    std::array<int, 2> ends = {};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
    client_ = UniqueFd(ends[0]);
    introduction_.emplace(Introduction::Begin(UniqueFd(ends[1])).value());
    worker_ = UniqueFd(dup(introduction_->ForWorker()));
    introduction_->Given();
  }

  UniqueFd client_;
  UniqueFd worker_;
  std::optional<Introduction> introduction_;
};

TEST_F(Carried, CarriesBothWays) {
  Say(client_, AsBytes("hello"));
  Say(worker_, AsBytes("certificate"));
  introduction_->Carry();
  EXPECT_EQ(AsText(Arrived(worker_)), "hello");
  EXPECT_EQ(AsText(Arrived(client_)), "certificate");
}

TEST_F(Carried, HandsTheConnectionOver) {
  Say(client_, AsBytes("nonce"));
  introduction_->Carry();
  EXPECT_EQ(AsText(Arrived(worker_)), "nonce");
  Say(worker_, AsBytes("last words of the handshake, "));
  const auto connection = introduction_->End();
  ASSERT_TRUE(connection);
  Say(*connection, AsBytes("evidence"));
  EXPECT_EQ(AsText(Arrived(client_)), "last words of the handshake, evidence");
  EXPECT_TRUE(HasEnded(worker_));
  Say(client_, AsBytes("request"));
  EXPECT_EQ(AsText(Arrived(*connection)), "request");
}

TEST_F(Carried, AllowsAsMuchAsANonceNeeds) {
  Say(client_, Bytes(kMostBytesBeforeEvidence, 1));
  introduction_->Carry();
  EXPECT_EQ(Arrived(worker_).size(), kMostBytesBeforeEvidence);
  EXPECT_TRUE(introduction_->End());
}

TEST_F(Carried, GivesNoEvidenceAfterAMessage) {
  Say(client_, Bytes(kMostBytesBeforeEvidence + 1000, 1));
  introduction_->Carry();
  introduction_->Carry();
  EXPECT_EQ(Arrived(worker_).size(), kMostBytesBeforeEvidence + 1);
  EXPECT_EQ(introduction_->PollSet()[0].fd, -1);
  EXPECT_EQ(introduction_->End().error().reason, "worker_broke_protocol");
  EXPECT_TRUE(Arrived(client_).empty());
}

TEST_F(Carried, TellsEachOfTheOthersEnd) {
  client_.Reset();
  introduction_->Carry();
  EXPECT_TRUE(HasEnded(worker_));
  EXPECT_EQ(introduction_->PollSet()[0].fd, -1);
}

TEST_F(Carried, BringsTheLastWordsOfAWorkerThatEnds) {
  Say(worker_, AsBytes("alert"));
  worker_.Reset();
  introduction_->Carry();
  EXPECT_EQ(AsText(Arrived(client_)), "alert");
  EXPECT_TRUE(HasEnded(client_));
}

TEST_F(Carried, WaitsForBothSides) {
  for (const pollfd& each : introduction_->PollSet()) EXPECT_GE(each.fd, 0);
}

}  // namespace
}  // namespace ephemeralml::serve
