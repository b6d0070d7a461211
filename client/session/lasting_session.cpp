#include "client/session/lasting_session.h"

#include <algorithm>
#include <array>

namespace ephemeralml::session {
namespace {

// What a client sees of an enclave that ended, was restarted, or lies behind another network now.
constexpr auto kGone =
    std::to_array<std::string_view>({"channel_broken", "channel_closed", "connection_lost"});

bool IsGone(const Error& error) { return std::ranges::find(kGone, error.reason) != kGone.end(); }

}  // namespace

Result<LastingSession> LastingSession::Open(const SessionSettings& settings,
                                            const verify::Policy& policy,
                                            const verify::TrustRoot& root, verify::Report* report) {
  TRY(Session session, Session::Open(settings, policy, root, report));
  return LastingSession(settings, policy, root, std::move(session));
}

LastingSession::LastingSession(const SessionSettings& settings, const verify::Policy& policy,
                               const verify::TrustRoot& root, Session session)
    : settings_(settings), policy_(policy), root_(root), session_(std::move(session)) {}

Done LastingSession::Replace(std::string_view why) {
  if (session_.has_value()) session_->Close();
  session_.reset();
  auto opened = Session::Open(settings_, policy_, root_);
  if (!opened) {
    return Error{opened.error().code, opened.error().reason,
                 "the connection " + std::string(why) +
                     ", and no other could take its place: " + opened.error().what};
  }
  session_.emplace(std::move(*opened));
  ++replacements_;
  return {};
}

Result<Answer> LastingSession::Infer(const SecretBytes& topology,
                                     std::span<const tensors::NamedTensor> inputs,
                                     Lifetime lifetime) {
  bool is_new = false;
  if (!session_.has_value() || session_->ShouldReplace()) {
    TRY_OK(Replace(session_.has_value() ? "had had its time" : "was lost before"));
    is_new = true;
  }
  Result<Answer> answer = session_->Infer(topology, inputs, lifetime);
  if (answer || is_new || !IsGone(answer.error())) return answer;
  TRY_OK(Replace("was lost"));
  return session_->Infer(topology, inputs, lifetime);
}

void LastingSession::Close() {
  if (session_.has_value()) session_->Close();
}

}  // namespace ephemeralml::session
