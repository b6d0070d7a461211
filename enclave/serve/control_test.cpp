#include "enclave/serve/control.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

namespace ephemeralml::serve {
namespace {

constexpr int64_t kTimeoutMs = 5000;

class Control : public testing::Test {
 protected:
  std::pair<UniqueFd, UniqueFd> pair_ = MakeControlPair().value();
  int here() const { return pair_.first.Get(); }
  int there() const { return pair_.second.Get(); }

  Result<ControlMessage> Receive() { return ReceiveControl(here(), net::After(kTimeoutMs)); }
  void SendRaw(ByteSpan bytes) {
    ASSERT_EQ(send(there(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
};

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator folder("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(folder), end(folder)));
}

TEST_F(Control, CarriesKindBodyAndDescriptor) {
  const UniqueFd memory(memfd_create("test", MFD_CLOEXEC));
  ASSERT_TRUE(WriteAll(memory.Get(), AsBytes("within")));
  ASSERT_TRUE(SendControl(there(), ControlKind::kBlob, AsBytes("body"), memory.Get()));
  const ControlMessage message = Receive().value();
  EXPECT_EQ(message.kind, ControlKind::kBlob);
  EXPECT_EQ(AsText(message.body), "body");
  std::array<char, 6> contents = {};
  EXPECT_EQ(pread(message.descriptor.Get(), contents.data(), contents.size(), 0), 6);
  EXPECT_EQ(std::string_view(contents.data(), contents.size()), "within");
}

TEST_F(Control, CarriesEmptyAndLargestBodies) {
  for (const size_t size : {size_t{0}, kLargestControlBody}) {
    ASSERT_TRUE(SendControl(there(), ControlKind::kEvidence, Bytes(size, 7)));
    const ControlMessage message = Receive().value();
    EXPECT_EQ(message.body, Bytes(size, 7));
    EXPECT_FALSE(message.descriptor.IsOpen());
  }
}

TEST_F(Control, RefusesMessagesShorterThanAKind) {
  for (const size_t size : {1, 2, 3}) {
    SendRaw(Bytes(size, 1));
    EXPECT_EQ(Receive().error().reason, "control_malformed") << size;
  }
}

TEST_F(Control, RefusesMessagesOverTheLimit) {
  SendRaw(Bytes(sizeof(uint32_t) + kLargestControlBody + 1, 1));
  EXPECT_EQ(Receive().error().reason, "control_malformed");
}

TEST_F(Control, ClosesDescriptorsBeyondTheFirst) {
  const UniqueFd memory(memfd_create("test", MFD_CLOEXEC));
  const size_t before = OpenDescriptors();
  for (const size_t count : {2, 8, 20}) {
    uint32_t kind = static_cast<uint32_t>(ControlKind::kBlob);
    iovec part = {&kind, sizeof kind};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(20 * sizeof(int))> ancillary = {};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = ancillary.data();
    header.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; ++i) {
      const int fd = memory.Get();
      std::memcpy(CMSG_DATA(rights) + i * sizeof fd, &fd, sizeof fd);
    }
    ASSERT_EQ(sendmsg(there(), &header, MSG_NOSIGNAL), 4);
    { const auto message = Receive(); }
    EXPECT_EQ(OpenDescriptors(), before) << count;
  }
}

TEST_F(Control, RefusesAnotherKindThanExpected) {
  ASSERT_TRUE(SendControl(there(), ControlKind::kFetch, {}));
  EXPECT_EQ(ExpectControl(here(), ControlKind::kConnection, net::After(kTimeoutMs)).error().reason,
            "control_malformed");
}

TEST_F(Control, SaysThatTheOtherProcessIsGone) {
  pair_.second.Reset();
  EXPECT_EQ(Receive().error().reason, "control_lost");
  EXPECT_EQ(SendControl(here(), ControlKind::kFetch, {}).error().reason, "control_lost");
}

TEST_F(Control, DoesntWaitForAProcessThatStoppedReading) {
  Done sent;
  for (int i = 0; i < 100'000 && sent; ++i) {
    sent = SendControl(there(), ControlKind::kEvidence, Bytes(kLargestControlBody));
  }
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().reason, "control_lost");
}

TEST_F(Control, GivesUpAtTheDeadline) {
  EXPECT_EQ(ReceiveControl(here(), net::After(10)).error().reason, "deadline_exceeded");
}

TEST(FetchOrder, IsReadAsItWasWritten) {
  FetchOrder order;
  order.id[0] = 1;
  order.id[15] = 2;
  order.sealed_bytes = 0x0102030405060708;
  EXPECT_EQ(FetchOrder::Decode(order.Encode()).value(), order);
}

TEST(FetchOrder, RefusesEveryOtherLength) {
  const Bytes whole = FetchOrder().Encode();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(FetchOrder::Decode(ByteSpan(whole).first(size)).error().reason, "input_truncated");
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_EQ(FetchOrder::Decode(longer).error().reason, "input_trailing_bytes");
}

}  // namespace
}  // namespace ephemeralml::serve
