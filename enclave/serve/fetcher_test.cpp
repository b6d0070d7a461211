#include "enclave/serve/fetcher.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <string>
#include <thread>

namespace ephemeralml::serve {
namespace {

constexpr int64_t kTimeoutMs = 10'000;
constexpr uint64_t kPieceBytes = 4 << 20;

struct Range {
  uint64_t first = 0;
  uint64_t last = 0;
};

/// A host that answers each request with whatever `answer` makes of it, then, if that says so,
/// hangs up.
class FakeHost {
 public:
  struct Reply {
    std::string bytes;
    bool hang_up = false;
  };
  using Answer = std::function<Reply(const std::string& head, Range range)>;

  explicit FakeHost(Answer answer) : answer_(std::move(answer)) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~FakeHost() {
    (void)shutdown(listener_.Get(), SHUT_RDWR);
    thread_.join();
  }

  FetcherSettings Settings(int64_t timeout_ms = kTimeoutMs) const {
    const net::Address address{"127.0.0.1", net::BoundPort(listener_.Get()).value()};
    return {address.Authority(), net::Resolve(address).value(), timeout_ms};
  }
  const std::vector<std::string>& heads() const { return heads_; }

 private:
  static Range RangeOf(const std::string& head) {
    Range range;
    const size_t at = head.find("Range: bytes=");
    if (at == std::string::npos) return range;
    const char* text = head.data() + at + 13;
    const char* end = head.data() + head.size();
    const auto first = std::from_chars(text, end, range.first);
    (void)std::from_chars(first.ptr + 1, end, range.last);
    return range;
  }

  void Serve() {
    if (!net::WaitReadable(listener_.Get(), net::After(kTimeoutMs))) return;
    const UniqueFd peer(accept4(listener_.Get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    std::string received;
    while (peer.IsOpen()) {
      std::array<uint8_t, 4096> buffer;
      const auto count = net::ReceiveSome(peer.Get(), buffer, net::After(kTimeoutMs));
      if (!count || *count == 0) return;
      received += AsText(ByteSpan(buffer).first(*count));
      const size_t end = received.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      heads_.push_back(received.substr(0, end + 4));
      received.erase(0, end + 4);
      const Reply reply = answer_(heads_.back(), RangeOf(heads_.back()));
      if (!net::SendAll(peer.Get(), AsBytes(reply.bytes), net::After(kTimeoutMs))) return;
      if (reply.hang_up) return;
    }
  }

  Answer answer_;
  std::vector<std::string> heads_;
  UniqueFd listener_ = net::Listen({"127.0.0.1", 0}).value();
  std::thread thread_;
};

std::string Head(unsigned status, uint64_t length, const std::string& more = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(length) +
         "\r\n" + more + "\r\n";
}

std::string RangeOfWhole(Range range, uint64_t total) {
  return "Content-Range: bytes " + std::to_string(range.first) + "-" + std::to_string(range.last) +
         "/" + std::to_string(total) + "\r\n";
}

std::string Blob(uint64_t size) {
  std::string blob(size, '\0');
  for (uint64_t i = 0; i < size; ++i) blob[i] = static_cast<char>(i * 31 + i / 251);
  return blob;
}

FakeHost::Reply Piece(const std::string& blob, Range range) {
  const uint64_t length = range.last - range.first + 1;
  return {Head(206, length, RangeOfWhole(range, blob.size())) + blob.substr(range.first, length)};
}

FetchOrder OrderOf(uint64_t size) {
  FetchOrder order;
  order.id[0] = 0xAB;
  order.sealed_bytes = size;
  return order;
}

FetchOutcome Fetch(FakeHost::Answer answer, uint64_t size = 1000) {
  const FakeHost host(std::move(answer));
  UniqueFd memory;
  const FetchOutcome outcome = FetchBlob(host.Settings(), OrderOf(size), memory);
  EXPECT_EQ(memory.IsOpen(), outcome == FetchOutcome::kFetched);
  return outcome;
}

TEST(FetchBlob, FetchesWholePiecesInOrder) {
  for (const uint64_t size :
       {uint64_t{1}, kPieceBytes - 1, kPieceBytes, kPieceBytes + 1, 3 * kPieceBytes}) {
    const std::string blob = Blob(size);
    std::vector<std::string> heads;
    UniqueFd memory;
    {
      FakeHost host([&](const std::string&, Range range) { return Piece(blob, range); });
      ASSERT_EQ(FetchBlob(host.Settings(), OrderOf(size), memory), FetchOutcome::kFetched);
      heads = host.heads();
    }
    std::string fetched(size, 'x');
    ASSERT_EQ(pread(memory.Get(), fetched.data(), size, 0), static_cast<ssize_t>(size));
    EXPECT_TRUE(fetched == blob);
    struct stat status = {};
    ASSERT_EQ(fstat(memory.Get(), &status), 0);
    EXPECT_EQ(static_cast<uint64_t>(status.st_size), size);
    ASSERT_EQ(heads.size(), (size + kPieceBytes - 1) / kPieceBytes);
    for (size_t i = 0; i < heads.size(); ++i) {
      EXPECT_TRUE(heads[i].starts_with("GET /v1/blobs/ab0000"));
      const std::string range = "Range: bytes=" + std::to_string(i * kPieceBytes) + "-" +
                                std::to_string(std::min((i + 1) * kPieceBytes, size) - 1) + "\r\n";
      EXPECT_NE(heads[i].find(range), std::string::npos) << heads[i];
    }
  }
}

TEST(FetchBlob, SaysThatTheHostLacksTheBlob) {
  EXPECT_EQ(Fetch([](const std::string&, Range) { return FakeHost::Reply{Head(404, 0)}; }),
            FetchOutcome::kIncomplete);
}

TEST(FetchBlob, SaysThatTheHostFails) {
  for (const unsigned status : {500U, 503U, 599U}) {
    EXPECT_EQ(Fetch([=](const std::string&, Range) { return FakeHost::Reply{Head(status, 0)}; }),
              FetchOutcome::kUnreachable);
  }
}

TEST(FetchBlob, RefusesAnythingButTheRangeItAskedFor) {
  const std::string blob = Blob(1000);
  const auto with = [&](const std::string& more, uint64_t length) {
    return Fetch([&, more, length](const std::string&, Range) {
      return FakeHost::Reply{Head(206, length, more) + std::string(length, 'x')};
    });
  };
  const Range whole = {0, 999};
  EXPECT_EQ(with(RangeOfWhole(whole, 1000), 1000), FetchOutcome::kFetched);
  EXPECT_EQ(with(RangeOfWhole(whole, 1000), 999), FetchOutcome::kIncomplete);
  EXPECT_EQ(with(RangeOfWhole(whole, 1000), 1001), FetchOutcome::kIncomplete);
  EXPECT_EQ(with(RangeOfWhole(whole, 1001), 1000), FetchOutcome::kIncomplete);
  EXPECT_EQ(with(RangeOfWhole({1, 1000}, 1000), 1000), FetchOutcome::kIncomplete);
  EXPECT_EQ(with("Content-Range: bytes 0-999/*\r\n", 1000), FetchOutcome::kIncomplete);
  EXPECT_EQ(with("", 1000), FetchOutcome::kIncomplete);
  EXPECT_EQ(
      Fetch([&](const std::string&, Range) { return FakeHost::Reply{Head(200, 1000) + blob}; }),
      FetchOutcome::kIncomplete);
}

TEST(FetchBlob, NeverKeepsABlobThatWasCutOff) {
  const std::string blob = Blob(2 * kPieceBytes);
  for (const size_t cut : {size_t{100}, size_t{kPieceBytes / 2}, size_t{kPieceBytes}}) {
    EXPECT_EQ(Fetch(
                  [&](const std::string&, Range range) {
                    FakeHost::Reply reply = Piece(blob, range);
                    if (range.first > 0) reply = {reply.bytes.substr(0, cut), true};
                    return reply;
                  },
                  blob.size()),
              FetchOutcome::kIncomplete);
  }
}

TEST(FetchBlob, CallsWhatIsntHttpUnreachable) {
  for (const std::string& garbage :
       {std::string("\0\1\2\r\n\r\n", 7), std::string("HTTP/9.9 206 X\r\n\r\n"),
        std::string("HTTP/1.1 206 X\r\nContent-Length: -5\r\n\r\n"), std::string(1 << 20, 'a'),
        std::string("HTTP/1.1 206 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")}) {
    EXPECT_EQ(Fetch([&](const std::string&, Range) {
                return FakeHost::Reply{garbage, true};
              }),
              FetchOutcome::kUnreachable);
  }
}

TEST(FetchBlob, GivesUpOnAHostThatSaysNothing) {
  const FakeHost host([](const std::string&, Range) { return FakeHost::Reply{}; });
  UniqueFd memory;
  EXPECT_EQ(FetchBlob(host.Settings(100), OrderOf(1000), memory), FetchOutcome::kUnreachable);
}

TEST(FetchBlob, SaysThatNobodyListens) {
  FetcherSettings settings;
  {
    const UniqueFd listener = net::Listen({"127.0.0.1", 0}).value();
    const net::Address address{"127.0.0.1", net::BoundPort(listener.Get()).value()};
    settings = {address.Authority(), net::Resolve(address).value(), kTimeoutMs};
  }
  UniqueFd memory;
  EXPECT_EQ(FetchBlob(settings, OrderOf(1000), memory), FetchOutcome::kUnreachable);
}

TEST(FetcherSettings, AreReadAsTheyWereWritten) {
  const FetcherSettings settings = {"host:8081", {1, 2, 3}, 120'000};
  const FetcherSettings read = FetcherSettings::Decode(settings.Encode()).value();
  EXPECT_EQ(read.host_authority, settings.host_authority);
  EXPECT_EQ(read.host, settings.host);
  EXPECT_EQ(read.timeout_ms, settings.timeout_ms);
  const Bytes whole = settings.Encode();
  for (size_t size = 0; size < whole.size() - settings.host_authority.size(); ++size) {
    EXPECT_EQ(FetcherSettings::Decode(ByteSpan(whole).first(size)).error().reason,
              "input_truncated");
  }
}

}  // namespace
}  // namespace ephemeralml::serve
