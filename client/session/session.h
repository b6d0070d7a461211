#pragma once
// A session with an attested enclave: tunnel, channel, evidence, verification, then requests. A
// Session exists only if verification held: nothing secret can be sent before.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/tensors/tensors.h"
#include "client/verify/verify.h"
#include "common/channel/channel.h"
#include "common/crypto/sha384.h"
#include "common/net/address.h"

namespace ephemeralml::session {

struct SessionSettings {
  net::Address host;         ///< the untrusted host's HTTP port
  std::string enclave_name;  ///< what the tunnel is asked for, HOST:PORT
  int64_t setup_timeout_ms = 20'000;
  int64_t request_timeout_ms = 300'000;
};

/// What the enclave counted while it served a request; docs/architecture.md says what each means.
struct Measurements {
  uint64_t peak_plaintext_weight_bytes = 0;
  uint64_t longest_plaintext_us = 0;
  uint64_t plaintext_byte_us = 0;
  uint64_t bytes_opened = 0;
  uint64_t bytes_wiped = 0;
  uint64_t chunks_opened = 0;
  uint64_t fetch_us = 0;
  uint64_t prepare_us = 0;
  uint64_t execute_us = 0;
  uint64_t peak_activation_bytes = 0;
};

/// What stays in the enclave between two requests: docs/architecture.md has the table.
enum class Lifetime { kRequest, kSession, kResident };

struct Answer {
  std::vector<tensors::NamedTensor> outputs;
  Measurements measured;
};

/// A connection whose evidence came, before anybody judged it. Sends nothing but the nonce.
struct Presented {
  channel::Channel channel;
  channel::Nonce nonce;
  Bytes evidence;
};

/// Opens tunnel and channel and asks for evidence. Errors: those of OpenTunnel and Channel.
Result<Presented> AskForEvidence(const SessionSettings& settings);

/// What evidence must say to be about this connection.
verify::Expectations ExpectationsFor(const Presented& presented);

/// Threads: one at a time.
class Session {
 public:
  /// Connects and verifies. `report`, if given, gets every check's verdict, also when one failed.
  /// Errors: those of AskForEvidence and verify::Verify.
  static Result<Session> Open(const SessionSettings& settings, const verify::Policy& policy,
                              const verify::TrustRoot& root, verify::Report* report = nullptr);

  /// Runs the model once. `topology` is a serialized wire::Topology, as keys::Load returns it. With
  /// a lifetime that keeps the plan it is sent again only if another was sent last, or that failed.
  /// Errors: those that the enclave answers with (their reason is kept if docs/errors.md lists it,
  /// `enclave_refused` otherwise), those of Channel, kMalformed `reply_malformed`.
  Result<Answer> Infer(const SecretBytes& topology, std::span<const tensors::NamedTensor> inputs,
                       Lifetime lifetime = Lifetime::kRequest);

  /// True when the connection has had its time: open another session.
  bool ShouldReplace() const { return channel_.ShouldReplace(); }

  /// Tells the enclave that no request follows.
  void Close();

 private:
  Session(const SessionSettings& settings, const verify::VerifiedEnclave& enclave,
          channel::Channel channel);

  SessionSettings settings_;
  channel::Channel channel_;
  std::optional<crypto::Sha384Digest> kept_;  // of the topology whose plan the enclave keeps
};

}  // namespace ephemeralml::session
