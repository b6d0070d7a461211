#include "common/net/socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <thread>

namespace ephemeralml::net {
namespace {

class LoopbackPair : public testing::Test {
 protected:
  void SetUp() override {
    listener_ = Listen({"127.0.0.1", 0}).value();
    const Address address{"127.0.0.1", BoundPort(listener_.Get()).value()};
    near_ = Connect(Resolve(address).value(), After(2000)).value();
    ASSERT_TRUE(WaitReadable(listener_.Get(), After(2000)));
    far_ = Accept(listener_.Get());
    ASSERT_TRUE(far_.IsOpen());
  }

  UniqueFd listener_;
  UniqueFd near_;
  UniqueFd far_;
};

TEST_F(LoopbackPair, CarriesMoreThanTheSocketBuffers) {
  const Bytes sent(8 << 20, 0x5a);
  std::thread writer([&] { EXPECT_TRUE(SendAll(near_.Get(), sent, After(10000))); });
  Bytes received;
  std::array<uint8_t, 65536> buffer;
  while (received.size() < sent.size()) {
    const size_t count = ReceiveSome(far_.Get(), buffer, After(10000)).value();
    ASSERT_GT(count, 0U);
    AppendBytes(received, ByteSpan(buffer).first(count));
  }
  writer.join();
  EXPECT_EQ(received, sent);
}

TEST_F(LoopbackPair, TellsTheEndFromADeadline) {
  std::array<uint8_t, 8> buffer;
  EXPECT_EQ(ReceiveSome(far_.Get(), buffer, After(20)).error().reason, "deadline_exceeded");
  near_.Reset();
  EXPECT_EQ(ReceiveSome(far_.Get(), buffer, After(2000)).value(), 0U);
}

TEST_F(LoopbackPair, ReportsAPeerThatIsGone) {
  far_.Reset();
  const Bytes bytes(1 << 20, 1);
  Done sent;
  for (int i = 0; i < 100 && sent; ++i) sent = SendAll(near_.Get(), bytes, After(2000));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().reason, "connection_lost");
}

TEST_F(LoopbackPair, NeitherEndKeepsSmallWritesBack) {
  for (const UniqueFd* end : {&near_, &far_}) {
    int on = 0;
    socklen_t size = sizeof on;
    ASSERT_EQ(getsockopt(end->Get(), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    EXPECT_EQ(on, 1);
  }
}

TEST(Connect, SaysThatNobodyListens) {
  UniqueFd listener = Listen({"127.0.0.1", 0}).value();
  const Address address{"127.0.0.1", BoundPort(listener.Get()).value()};
  listener.Reset();
  EXPECT_EQ(Connect(Resolve(address).value(), After(2000)).error().reason, "connection_refused");
}

TEST(Resolve, SaysWhatItCantResolve) {
  EXPECT_EQ(Resolve({"host.invalid", 1}).error().reason, "address_unresolved");
}

}  // namespace
}  // namespace ephemeralml::net
