// What a host between the ends, and a peer at the other end, can do to a channel.

#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "common/channel/testing/channel_pair.h"
#include "common/wire/frame.h"

namespace ephemeralml::channel {
namespace {

using std::chrono::steady_clock;

const Bytes kQuestion(600, 0x11);
const Bytes kAnswer(700, 0x22);

// A whole session through a host that edits: the error of the end that noticed first, or none.
struct Transcript {
  std::string_view client_reason;
  std::string_view server_reason;
  bool delivered_wrong_bytes = false;
  size_t bytes_to_server = 0;
  size_t bytes_to_client = 0;
};

Done ServeOnce(UniqueFd socket, const ServerIdentity& identity, net::Deadline deadline,
               bool& wrong_bytes) {
  TRY(Channel channel, Channel::Accept(std::move(socket), identity, deadline));
  TRY(const SecretBytes question, channel.ReceiveMessage(kLimit, deadline));
  wrong_bytes = wrong_bytes || !std::ranges::equal(question.Reveal(), kQuestion);
  TRY_OK(channel.SendMessage(kAnswer, deadline));
  TRY_OK(channel.UpdateKeys(deadline));
  const Done ended = channel.WaitForPeer(deadline);
  if (!ended && ended.error().reason == "channel_closed") return {};
  return ended;
}

Done AskOnce(UniqueFd socket, net::Deadline deadline, bool& wrong_bytes) {
  TRY(Channel channel, Channel::Connect(std::move(socket), deadline));
  TRY_OK(channel.SendMessage(kQuestion, deadline));
  TRY(const SecretBytes answer, channel.ReceiveMessage(kLimit, deadline));
  wrong_bytes = wrong_bytes || !std::ranges::equal(answer.Reveal(), kAnswer);
  TRY_OK(channel.UpdateKeys(deadline));
  channel.Close();
  return {};
}

Transcript RunSession(const ServerIdentity& identity, Host::Edit edit, int64_t timeout_ms = 5000) {
  CHECK(Initialize().has_value());
  Host host(std::move(edit));
  Transcript transcript;
  bool server_wrong = false;
  bool client_wrong = false;
  std::thread thread([&] {
    const Done served =
        ServeOnce(host.TakeServer(), identity, net::After(timeout_ms), server_wrong);
    if (!served) transcript.server_reason = served.error().reason;
  });
  const Done asked = AskOnce(host.TakeClient(), net::After(timeout_ms), client_wrong);
  if (!asked) transcript.client_reason = asked.error().reason;
  thread.join();
  transcript.delivered_wrong_bytes = server_wrong || client_wrong;
  transcript.bytes_to_server = host.to_server_;
  transcript.bytes_to_client = host.to_client_;
  return transcript;
}

void ExpectNoticed(const Transcript& transcript, size_t offset) {
  EXPECT_FALSE(transcript.delivered_wrong_bytes) << offset;
  // A length made longer keeps an end waiting for bytes that never come.
  const auto noticed = [](std::string_view reason) {
    return reason == "channel_broken" || reason == "deadline_exceeded";
  };
  EXPECT_TRUE(noticed(transcript.client_reason) || noticed(transcript.server_reason)) << offset;
}

TEST(HostBetween, CantFlipABitAnywhere) {
  const ServerIdentity identity = ServerIdentity::Create().value();
  const Transcript untouched = RunSession(identity, {});
  ASSERT_EQ(untouched.client_reason, "");
  ASSERT_EQ(untouched.server_reason, "");
  for (const bool upwards : {true, false}) {
    const size_t total = upwards ? untouched.bytes_to_server : untouched.bytes_to_client;
    ASSERT_GT(total, 4096U);
    for (size_t target = 0; target < total - 64; target += target < 1500 ? 41 : 997) {
      const auto flip = [&](bool to_server, size_t offset, MutableByteSpan bytes) {
        if (to_server == upwards && offset <= target && target < offset + bytes.size()) {
          bytes[target - offset] ^= static_cast<uint8_t>(1 << target % 8);
        }
      };
      ExpectNoticed(RunSession(identity, flip, 300), target);
    }
  }
}

TEST(HostBetween, FlippingABitOfAMessageIsCalledBroken) {
  const ServerIdentity identity = ServerIdentity::Create().value();
  const size_t total = RunSession(identity, {}).bytes_to_server;
  const auto flip = [&](bool to_server, size_t offset, MutableByteSpan bytes) {
    const size_t target = total - 1000;  // well inside the question's ciphertext
    if (to_server && offset <= target && target < offset + bytes.size()) {
      bytes[target - offset] ^= 1;
    }
  };
  EXPECT_EQ(RunSession(identity, flip).server_reason, "channel_broken");
}

TEST(HostBetween, CantCutTheConnectionUnnoticed) {
  const ServerIdentity identity = ServerIdentity::Create().value();
  const size_t total = RunSession(identity, {}).bytes_to_client;
  for (size_t kept = 0; kept < total - 64; kept += kept < 1500 ? 173 : 997) {
    Host* host = nullptr;
    const auto cut = [&](bool to_server, size_t offset, MutableByteSpan bytes) {
      if (!to_server && offset + bytes.size() > kept) host->Cut();
    };
    ASSERT_TRUE(Initialize());
    Host between(cut);
    host = &between;
    bool wrong_bytes = false;
    std::thread thread([&] {
      bool ignored = false;
      (void)ServeOnce(between.TakeServer(), identity, net::After(5000), ignored);
    });
    const Done asked = AskOnce(between.TakeClient(), net::After(5000), wrong_bytes);
    thread.join();
    EXPECT_EQ(asked.error().reason, "channel_broken") << kept;
    EXPECT_FALSE(wrong_bytes);
  }
}

Bytes HeaderOf(uint32_t padded, uint32_t message) {
  Bytes header;
  AppendU32BigEndian(header, padded);
  AppendU32BigEndian(header, message);
  return header;
}

TEST_F(ChannelPair, RefusesFramesThatBreakTheFormat) {
  const std::pair<Bytes, std::string_view> cases[] = {
      {HeaderOf(4096, UINT32_MAX), "message_too_large"},
      {HeaderOf(UINT32_MAX, 10), "frame_malformed"},
      {HeaderOf(10, 10), "frame_malformed"},
      {HeaderOf(4096, 4097), "frame_malformed"},
  };
  for (const auto& [header, reason] : cases) {
    Open();
    ASSERT_TRUE(client_->SendRaw(header, net::After(5000)));
    EXPECT_EQ(server_->ReceiveMessage(kLimit, net::After(5000)).error().reason, reason);
    EXPECT_EQ(server_->ReceiveMessage(kLimit, net::After(5000)).error().reason, "channel_broken");
    client_.reset();
    server_.reset();
  }
}

TEST_F(ChannelPair, RefusesPaddingThatIsntZero) {
  Open();
  Bytes frame = HeaderOf(4096, 10);
  frame.resize(wire::kFrameHeaderBytes + 4096);
  frame.back() = 1;
  ASSERT_TRUE(client_->SendRaw(frame, net::After(5000)));
  EXPECT_EQ(server_->ReceiveMessage(kLimit, net::After(5000)).error().reason, "frame_malformed");
}

TEST_F(ChannelPair, CanStillRefuseAMessageThatIsTooLarge) {
  Open();
  EXPECT_EQ(Exchange(Bytes(2000, 1), 1999).error().reason, "message_too_large");
  ASSERT_TRUE(server_->SendMessage(AsBytes("too large"), net::After(5000)));
  EXPECT_EQ(client_->ReceiveMessage(kLimit, net::After(5000))->size(), 9U);
}

TEST_F(ChannelPair, RefusesToSendWhatNoPeerTakes) {
  Open();
  const Bytes huge(wire::kLargestMessageBytes + 1);
  EXPECT_EQ(client_->SendMessage(huge, net::After(5000)).error().reason, "message_too_large");
  EXPECT_TRUE(Exchange(Bytes(10, 1)));
}

TEST_F(ChannelPair, SurvivesAPeerThatIsGone) {
  Open();
  host_->Cut();
  server_.reset();
  Done sent;
  for (int i = 0; i < 50 && sent; ++i) sent = client_->SendMessage(Bytes(50'000), net::After(1000));
  EXPECT_EQ(sent.error().reason, "channel_broken");
}

TEST(Channel, GivesUpPeersThatDripTheirBytes) {
  ASSERT_TRUE(Initialize());
  const ServerIdentity identity = ServerIdentity::Create().value();
  auto [client, server] = SocketPair();
  std::atomic<bool> over = false;
  std::thread drip([&, fd = client.Get()] {
    // The head of a record that promises 16 KiB, then a byte every few milliseconds.
    (void)net::SendAll(fd, Bytes{0x16, 0x03, 0x01, 0x3f, 0xff, 0x01, 0x00, 0x3f, 0xf0},
                       net::After(1000));
    while (!over) {
      (void)net::SendAll(fd, Bytes{0}, net::After(100));
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  const auto begin = steady_clock::now();
  const auto accepted = Channel::Accept(std::move(server), identity, net::After(150));
  over = true;
  drip.join();
  EXPECT_EQ(accepted.error().reason, "deadline_exceeded");
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(5));
}

#ifndef EPHEMERAL_SANITIZED

bool AllowOnlyWhatAChannelNeeds() {
  const auto filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  bool allowed = filter != nullptr;
  for (const int call : {SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(poll), SCMP_SYS(getrandom),
                         SCMP_SYS(getpid), SCMP_SYS(close), SCMP_SYS(clock_gettime), SCMP_SYS(mmap),
                         SCMP_SYS(munmap), SCMP_SYS(brk), SCMP_SYS(mlock), SCMP_SYS(madvise),
                         SCMP_SYS(mprotect), SCMP_SYS(futex), SCMP_SYS(exit_group)}) {
    allowed = allowed && seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0;
  }
  return allowed && seccomp_load(filter) == 0;
}

// In a process of its own: its exit status is the number of the step that failed.
int ServeConfined(UniqueFd socket) {
  if (!Initialize()) return 1;
  const auto identity = ServerIdentity::Create();
  if (!identity || !AllowOnlyWhatAChannelNeeds()) return 2;
  const net::Deadline deadline = net::After(10'000);
  auto channel = Channel::Accept(std::move(socket), *identity, deadline);
  if (!channel) return 3;
  for (int i = 0; i < 2; ++i) {
    if (!channel->WaitForPeer(deadline)) return 4;
    const auto question = channel->ReceiveMessage(kLimit, deadline);
    if (!question || !channel->SendMessage(question->Reveal(), deadline)) return 5;
    if (!channel->UpdateKeys(deadline)) return 6;
  }
  if (channel->WaitForPeer(deadline).error().reason != "channel_closed") return 7;
  channel->Close();
  return 0;
}

TEST(Channel, NeedsNoFilesOnceInitialized) {
  auto [client, server] = SocketPair();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    client.Reset();
    _exit(ServeConfined(std::move(server)));
  }
  server.Reset();
  ASSERT_TRUE(Initialize());
  const net::Deadline deadline = net::After(10'000);
  auto channel = Channel::Connect(std::move(client), deadline);
  ASSERT_TRUE(channel) << channel.error().what;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(channel->SendMessage(kQuestion, deadline));
    ASSERT_TRUE(channel->ReceiveMessage(kLimit, deadline));
    ASSERT_TRUE(channel->UpdateKeys(deadline));
  }
  channel->Close();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

#endif

}  // namespace
}  // namespace ephemeralml::channel
