#pragma once
// A session that outlives its connection. When the connection has had its time, or the enclave at
// its other end is gone, the request goes to whatever enclave answers now, once that is verified.

#include <optional>

#include "client/session/session.h"

namespace ephemeralml::session {

/// Threads: one at a time.
class LastingSession {
 public:
  /// As Session::Open; policy and root also judge every later enclave.
  static Result<LastingSession> Open(const SessionSettings& settings, const verify::Policy& policy,
                                     const verify::TrustRoot& root,
                                     verify::Report* report = nullptr);

  /// As Session::Infer. A connection that is at its end, or breaks, is replaced once for a request:
  /// an enclave that is gone may have computed it already, which does no harm. Errors: where the
  /// replacement fails, those of Session::Open.
  Result<Answer> Infer(const SecretBytes& topology, std::span<const tensors::NamedTensor> inputs,
                       Lifetime lifetime = Lifetime::kRequest);

  /// How often another connection took the place of one.
  int replacements() const { return replacements_; }

  void Close();

 private:
  LastingSession(const SessionSettings& settings, const verify::Policy& policy,
                 const verify::TrustRoot& root, Session session);
  Done Replace(std::string_view why);

  SessionSettings settings_;
  verify::Policy policy_;
  verify::TrustRoot root_;
  std::optional<Session> session_;  // empty: the last replacement failed
  int replacements_ = 0;
};

}  // namespace ephemeralml::session
