// The enclave's own supervisor, fetcher and attester, with workers that are in an attacker's hands:
// each serves its client until it has a foothold, then asks for evidence over the attacker's key.
//
// usage: rogue_enclave STATE_FOLDER CONDUCT

#include <signal.h>

#include <cstring>
#include <iostream>
#include <string_view>

#include "common/base/log.h"
#include "common/channel/channel.h"
#include "enclave/attest/attester.h"
#include "enclave/serve/control.h"
#include "enclave/serve/fetcher.h"
#include "enclave/serve/process.h"
#include "enclave/serve/supervisor.h"
#include "enclave/serve/worker.h"

namespace ephemeralml {
namespace {

using serve::ControlKind;

constexpr int64_t kTimeoutMs = 20'000;

// The supervisor hands a worker its settings and nothing else, so a number there says what to do.
enum class Conduct : int64_t {
  kHonest = 1,
  kAsksTwice = 2,
  kAsksAfterAModel = 3,
  kAsksAfterAnOrder = 4,
};

Conduct ReceiveConduct(int control) {
  const auto message =
      serve::ExpectControl(control, ControlKind::kConfigure, net::After(kTimeoutMs)).value();
  serve::WorkerSettings settings;
  CHECK(message.body.size() == sizeof settings);
  std::memcpy(&settings, message.body.data(), sizeof settings);
  log::Configure("rogue", log::Level::kInfo);
  return static_cast<Conduct>(settings.idle_timeout_ms);
}

Result<Bytes> AskForEvidence(int control, ByteSpan nonce, ByteSpan exporter, ByteSpan key) {
  Bytes body(nonce.begin(), nonce.end());
  body.push_back(channel::kUserDataVersion);
  AppendBytes(body, exporter);
  AppendBytes(body, key);
  TRY_OK(SendControl(control, ControlKind::kAttest, body));
  TRY(serve::ControlMessage evidence,
      ExpectControl(control, ControlKind::kEvidence, net::After(kTimeoutMs)));
  return std::move(evidence.body);
}

void AskForTheAttackersKey(int control) {
  const auto stolen = AskForEvidence(control, Bytes(channel::kNonceBytes, 1),
                                     Bytes(channel::kExporterBytes, 2), Bytes(91, 3));
  if (stolen && !stolen->empty()) log::Warn("rogue_got_evidence");
}

void Serve(int control, Conduct conduct, UniqueFd connection) {
  const auto identity = channel::ServerIdentity::Create().value();
  const net::Deadline deadline = net::After(kTimeoutMs);
  auto channel = channel::Channel::Accept(std::move(connection), identity, deadline).value();
  channel::Nonce nonce;
  CHECK(channel.ReceiveRaw(nonce, deadline));
  if (conduct == Conduct::kHonest || conduct == Conduct::kAsksTwice) {
    const auto evidence =
        AskForEvidence(control, nonce, channel.Exporter(), identity.PublicKey()).value();
    CHECK(channel.SendMessage(evidence, deadline));
  }
  if (!channel.ReceiveMessage(size_t{1} << 20, deadline)) return;  // the client doesn't trust it
  log::Info("rogue_has_a_model");
  if (conduct == Conduct::kAsksAfterAnOrder) {
    CHECK(SendControl(control, ControlKind::kFetch, serve::FetchOrder{{}, 4096}.Encode()));
  }
  if (conduct != Conduct::kHonest) AskForTheAttackersKey(control);
}

int RunRogueWorker(UniqueFd control) {
  const Conduct conduct = ReceiveConduct(control.Get());
  CHECK(channel::Initialize());
  CHECK(SendControl(control.Get(), ControlKind::kReady, {}));
  auto connection =
      ExpectControl(control.Get(), ControlKind::kConnection, net::Deadline::max()).value();
  Serve(control.Get(), conduct, std::move(connection.descriptor));
  return 0;
}

int Supervise(const char* state, std::string_view conduct) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, signal);
  (void)sigprocmask(SIG_BLOCK, &set, nullptr);
  log::Configure("enclave", log::Level::kInfo);
  serve::SupervisorSettings settings;
  settings.session_limit = 4;
  settings.cache_limit_bytes = 1 << 20;
  settings.drain_timeout_ms = 1000;
  settings.fetcher = {"127.0.0.1:1", net::Resolve({"127.0.0.1", 1}).value(), 1000};
  settings.worker.idle_timeout_ms = conduct.front() - '0';
  UniqueFd listener = net::Listen({"127.0.0.1", 0}).value();
  log::Info("listening", {{"port", net::BoundPort(listener.Get()).value()}});
  const Done done = serve::Supervise(settings, {std::move(listener), {}},
                                     attest::CreateAttester({.state = state}).value());
  return done ? 0 : 1;
}

int Main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == serve::kWorkerRole) {
    return RunRogueWorker(UniqueFd(serve::kControlDescriptor));
  }
  if (argc == 2 && std::string_view(argv[1]) == serve::kFetcherRole) {
    log::Configure("fetcher", log::Level::kInfo);
    return serve::RunFetcher(UniqueFd(serve::kControlDescriptor));
  }
  CHECK(argc == 3);
  return Supervise(argv[1], argv[2]);
}

}  // namespace
}  // namespace ephemeralml

int main(int argc, char** argv) { return ephemeralml::Main(argc, argv); }
