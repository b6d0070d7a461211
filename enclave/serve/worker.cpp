#include "enclave/serve/worker.h"

#include <unistd.h>

#include <cstring>
#include <new>
#include <stdexcept>

#include "common/base/log.h"
#include "common/channel/channel.h"
#include "common/crypto/blob_cipher.h"
#include "common/crypto/random.h"
#include "common/wire/message_library.h"
#include "enclave/engine/base/threads.h"
#include "enclave/engine/kernels/dense.h"
#include "enclave/serve/confine.h"
#include "enclave/serve/control.h"
#include "enclave/serve/heap.h"
#include "enclave/serve/session.h"
#include "enclave/serve/watchdog.h"

namespace ephemeralml::serve {
namespace {

constexpr int64_t kStartTimeoutMs = 10'000;
constexpr size_t kSecretBytes = 32;
constexpr int64_t kAttestTimeoutMs = 10'000;
// How long an operator may still compute when the request's time is over, and how long its client
// then has to hear of it.
constexpr std::chrono::milliseconds kGrace = std::chrono::milliseconds(2000);
constexpr int64_t kLastWordMs = 2000;

// What a session holds for its whole life, made before anything comes from the client.
struct Resources {
  WorkerSettings settings;
  std::unique_ptr<Watchdog> watchdog;
  std::unique_ptr<engine::Threads> threads;
  std::unique_ptr<Arena> arena;
  std::unique_ptr<channel::ServerIdentity> identity;
};

Result<WorkerSettings> ReceiveSettings(int control) {
  TRY(const ControlMessage message,
      ExpectControl(control, ControlKind::kConfigure, net::After(kStartTimeoutMs)));
  WorkerSettings settings;
  CHECK(message.body.size() == sizeof settings);
  std::memcpy(&settings, message.body.data(), sizeof settings);
  return settings;
}

// The first cipher tests the library that makes it: better now than while a client waits.
Done WarmUpCipher() {
  const auto cipher =
      crypto::BlobCipher::Create(crypto::RandomSecret(kSecretBytes), {}, 1, wire::kChunkBytes);
  if (!cipher) return cipher.error();
  return {};
}

Result<Resources> Prepare(int control) {
  Resources resources;
  TRY(resources.settings, ReceiveSettings(control));
  log::Configure("worker", resources.settings.log_level);
  resources.watchdog = std::make_unique<Watchdog>();  // before the others are pinned
  resources.threads = std::make_unique<engine::Threads>(resources.settings.threads);
  TRY_OK(engine::kernels::WarmUp(*resources.threads));
  TRY_OK(channel::Initialize());
  wire::SilenceMessageLibrary();
  TRY_OK(WarmUpCipher());
  TRY(resources.arena, Arena::Create(resources.settings.session_memory_bytes));
  TRY(channel::ServerIdentity identity, channel::ServerIdentity::Create());
  resources.identity = std::make_unique<channel::ServerIdentity>(std::move(identity));
  return resources;
}

// The client's nonce and the evidence for this connection: docs/formats/evidence.md.
Done Attest(channel::Channel& channel, int control, net::Deadline deadline) {
  channel::Nonce nonce;
  TRY_OK(channel.ReceiveRaw(nonce, deadline));
  Bytes body(nonce.begin(), nonce.end());
  body.push_back(channel::kUserDataVersion);
  AppendBytes(body, channel.Exporter());
  AppendBytes(body, channel.ServerPublicKey());
  TRY_OK(SendControl(control, ControlKind::kAttest, body));
  TRY(ControlMessage evidence,
      ExpectControl(control, ControlKind::kEvidence, net::After(kAttestTimeoutMs)));
  if (evidence.body.empty()) {
    return Error{Code::kInternal, "attestation_failed", "the platform gave no evidence"};
  }
  if (evidence.descriptor.IsOpen()) channel.GoOnOver(std::move(evidence.descriptor));
  return channel.SendMessage(evidence.body, deadline);
}

// What a session may have beside its arena: messages as they came and as they were read, what an
// operator sorts or counts with, the libraries' scratch space.
uint64_t HeapBytes(const WorkerSettings& settings) {
  constexpr uint64_t kLibraries = uint64_t{256} << 20;
  return settings.session_memory_bytes + 4 * settings.message_limit_bytes + kLibraries;
}

// What computes can't be stopped from outside: the client is told, and the process ends.
[[noreturn]] void GiveUp(channel::Channel& channel) {
  const Error error{Code::kOverLimit, "time_limit_exceeded",
                    "the request takes longer than a request may; the session has ended"};
  log::Warn("session_failed", {{"reason", error}});
  const SecretBytes reply = Session::Refuse(error);
  (void)channel.SendMessage(reply.Reveal(), net::After(kLastWordMs));
  _exit(1);
}

// Errors: kOverLimit `session_memory_exceeded`, when the heap's limit is reached; everything of the
// request is wiped then, too.
Result<SecretBytes> AnswerInTime(channel::Channel& channel, Session& session,
                                 const Resources& resources, SecretBytes request) {
  const auto deadline =
      Watchdog::Clock::now() + std::chrono::milliseconds(resources.settings.request_time_ms);
  resources.watchdog->Arm(deadline + kGrace, [&channel] { GiveUp(channel); });
  try {
    SecretBytes reply = session.Answer(std::move(request), deadline);
    resources.watchdog->Disarm();
    return reply;
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  resources.watchdog->Disarm();
  return Error{Code::kOverLimit, "session_memory_exceeded",
               "the request needs more memory than a session may use; the session has ended"};
}

// Requests until the client ends the session, is idle too long, or the connection has had its time.
Done AnswerRequests(channel::Channel& channel, Session& session, const Resources& resources) {
  const WorkerSettings& settings = resources.settings;
  const auto time = std::chrono::milliseconds(settings.connection_time_ms);
  for (;;) {
    TRY_OK(channel.WaitForPeer(net::After(settings.idle_timeout_ms)));
    Result<SecretBytes> request = channel.ReceiveMessage(settings.message_limit_bytes,
                                                         net::After(settings.transfer_timeout_ms));
    if (!request && request.error().code != Code::kOverLimit) return request.error();
    Result<SecretBytes> answer =
        request ? AnswerInTime(channel, session, resources, std::move(*request)) : request.error();
    const SecretBytes reply = answer ? std::move(*answer) : Session::Refuse(answer.error());
    TRY_OK(channel.SendMessage(reply.Reveal(), net::After(settings.transfer_timeout_ms)));
    if (!answer) return answer.error();
    TRY_OK(channel.UpdateKeys(net::After(settings.transfer_timeout_ms)));
    if (channel.ShouldReplace({.time = time})) return {};
    ReturnFreeHeap();  // the client has its reply and doesn't wait for this
  }
}

Done ServeConnection(UniqueFd connection, int control, Resources& resources) {
  const net::Deadline deadline = net::After(resources.settings.handshake_timeout_ms);
  TRY(channel::Channel channel,
      channel::Channel::Accept(std::move(connection), *resources.identity, deadline));
  TRY_OK(Attest(channel, control, deadline));
  Session session(control, *resources.threads, *resources.arena);
  const Done ended = AnswerRequests(channel, session, resources);
  channel.Close();
  return ended;
}

Done Work(int control) {
  TRY_OK(LeaveNoTraces());
  ConfigureHeap();
  TRY(Resources resources, Prepare(control));
  TRY_OK(LimitHeap(HeapBytes(resources.settings)));
  TRY_OK(ConfineWorker());
  TRY_OK(SendControl(control, ControlKind::kReady, {}));
  TRY(ControlMessage connection,
      ExpectControl(control, ControlKind::kConnection, net::Deadline::max()));
  return ServeConnection(std::move(connection.descriptor), control, resources);
}

bool IsOrdinaryEnd(const Error& error) {
  return error.reason == "channel_closed" || error.reason == "control_lost";
}

}  // namespace

int RunWorker(UniqueFd control) {
  const Done worked = Work(control.Get());
  if (worked || IsOrdinaryEnd(worked.error())) return 0;
  log::Warn("session_failed", {{"reason", worked.error()}});
  return 1;
}

}  // namespace ephemeralml::serve
