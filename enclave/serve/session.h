#pragma once
// One client's requests: the path of a confidential inference. Start reading at Session::Serve in
// session.cpp. Requests come through the attested channel, from a client who may be hostile to the
// enclave and to other clients; the sealed blob comes from a host that is hostile to everyone.

#include <chrono>
#include <memory>
#include <optional>

#include "common/base/arena.h"
#include "common/base/secret_bytes.h"
#include "enclave/engine/base/threads.h"
#include "enclave/serve/sealed_blob.h"
#include "enclave/weights/panel_stream.h"
#include "enclave/weights/resident_weights.h"

namespace ephemeralml::wire {
class Reply;
class Request;
}  // namespace ephemeralml::wire

namespace ephemeralml::serve {

class Session {
 public:
  using Clock = std::chrono::steady_clock;

  Session(int control, engine::Threads& threads, Arena& arena);
  ~Session();

  /// Answers one wire::Request with one wire::Reply, both serialized; a failure is a reply too.
  /// When it returns, graph, weights, inputs and activations of the request are wiped, but for what
  /// its lifetime keeps; the reply is the caller's to wipe. A failure keeps nothing. No operator
  /// starts after `deadline`.
  SecretBytes Answer(SecretBytes request, Clock::time_point deadline = Clock::time_point::max());

  /// A reply that says why a request isn't answered.
  static SecretBytes Refuse(const Error& error);

 private:
  struct Plan;

  Done Serve(wire::Request& request, Clock::time_point deadline, weights::Ledger& ledger,
             wire::Reply& reply);
  Done PlanFor(const wire::Request& request, weights::Ledger& ledger);
  Done OpenFor(const wire::Request& request, const weights::SealedModel& sealed,
               weights::Ledger& ledger);
  Done Authenticate(const weights::SealedModel& sealed, weights::Ledger& ledger);
  Done KeepOpen(const weights::SealedModel& sealed, weights::Ledger& ledger);
  void CloseResident(weights::Ledger& ledger);

  SealedBlob blob_;
  engine::Threads& threads_;
  Arena& arena_;
  // What lifetimes `session` and `resident` keep between two requests.
  std::unique_ptr<Plan> plan_;
  std::optional<weights::ResidentWeights> resident_;
};

}  // namespace ephemeralml::serve
