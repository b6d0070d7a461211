#pragma once
// One client's requests: the path of a confidential inference. Start reading at Session::Serve in
// session.cpp. Requests come through the attested channel, from a client who may be hostile to the
// enclave and to other clients; the sealed blob comes from a host that is hostile to everyone.

#include "common/base/arena.h"
#include "common/base/secret_bytes.h"
#include "enclave/engine/base/threads.h"
#include "enclave/serve/sealed_blob.h"
#include "enclave/weights/panel_stream.h"

namespace ephemeralml::wire {
class Reply;
class Request;
}  // namespace ephemeralml::wire

namespace ephemeralml::serve {

class Session {
 public:
  Session(int control, engine::Threads& threads, Arena& arena)
      : blob_(control), threads_(threads), arena_(arena) {}

  /// Answers one wire::Request with one wire::Reply, both serialized; a failure is a reply too.
  /// When it returns, graph, weights, inputs and activations of the request are wiped; the reply is
  /// the caller's to wipe.
  SecretBytes Answer(SecretBytes request);

  /// A reply that says why a request wasn't even read.
  SecretBytes Refuse(const Error& error);

 private:
  Done Authenticate(const weights::SealedModel& weights, weights::Ledger& ledger);
  Done Serve(const wire::Request& request, wire::Reply& reply);

  SealedBlob blob_;
  engine::Threads& threads_;
  Arena& arena_;
};

}  // namespace ephemeralml::serve
