#include "enclave/serve/waiting_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "common/channel/busy.h"

namespace ephemeralml::serve {
namespace {

std::pair<UniqueFd, UniqueFd> Connected() {
  std::array<int, 2> ends = {};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// All that comes until the other end closes.
Bytes Received(const UniqueFd& from) {
  Bytes bytes(64);
  const ssize_t count = read(from.Get(), bytes.data(), bytes.size());
  bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return bytes;
}

TEST(WaitingLine, LetsClientsInInTheirOrder) {
  WaitingLine line(2);
  auto [first, first_client] = Connected();
  auto [second, second_client] = Connected();
  const std::array descriptors = {first.Get(), second.Get()};
  EXPECT_TRUE(line.Join(std::move(first)));
  EXPECT_TRUE(line.Join(std::move(second)));
  EXPECT_EQ(line.Next().Get(), descriptors[0]);
  EXPECT_EQ(line.Next().Get(), descriptors[1]);
  EXPECT_FALSE(line.Next().IsOpen());
}

TEST(WaitingLine, TellsWhoComesBeyondItsEndToComeBack) {
  WaitingLine line(1);
  auto [first, first_client] = Connected();
  auto [second, second_client] = Connected();
  EXPECT_TRUE(line.Join(std::move(first)));
  EXPECT_FALSE(line.Join(std::move(second)));
  EXPECT_THAT(Received(second_client), testing::ElementsAreArray(channel::kBusyAlert));
  EXPECT_EQ(line.size(), 1u);
  line.Dismiss();
  EXPECT_THAT(Received(first_client), testing::ElementsAreArray(channel::kBusyAlert));
  EXPECT_EQ(line.size(), 0u);
}

TEST(WaitingLine, PassesOverWhoHasLeft) {
  WaitingLine line(2);
  auto [first, first_client] = Connected();
  auto [second, second_client] = Connected();
  const int expected = second.Get();
  EXPECT_TRUE(line.Join(std::move(first)));
  EXPECT_TRUE(line.Join(std::move(second)));
  first_client.Reset();
  EXPECT_EQ(line.Next().Get(), expected);
}

}  // namespace
}  // namespace ephemeralml::serve
