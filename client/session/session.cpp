#include "client/session/session.h"

#include "client/session/messages.h"
#include "client/session/tunnel.h"
#include "common/crypto/random.h"
#include "common/wire/frame.h"

namespace ephemeralml::session {
namespace {

constexpr int64_t kKeyUpdateTimeoutMs = 10'000;
constexpr size_t kLargestEvidenceBytes = 16 * 1024;  // AWS: a document has at most 16 KiB

}  // namespace

Result<Presented> AskForEvidence(const SessionSettings& settings) {
  const net::Deadline deadline = net::After(settings.setup_timeout_ms);
  TRY_OK(channel::Initialize());
  TRY(TunnelRequest tunnel, TunnelRequest::Send(settings.host, settings.enclave_name, deadline));
  TRY(channel::Channel channel,
      channel::Channel::Connect([&] { return tunnel.Await(deadline); }, deadline));
  channel::Nonce nonce;
  crypto::FillRandom(nonce);
  TRY_OK(channel.SendRaw(nonce, deadline));
  TRY(const SecretBytes evidence, channel.ReceiveMessage(kLargestEvidenceBytes, deadline));
  const ByteSpan bytes = evidence.Reveal();
  return Presented{std::move(channel), nonce, Bytes(bytes.begin(), bytes.end())};
}

verify::Expectations ExpectationsFor(const Presented& presented) {
  return {presented.nonce, presented.channel.ServerPublicKey(), presented.channel.Exporter()};
}

Result<Session> Session::Open(const SessionSettings& settings, const verify::Policy& policy,
                              const verify::TrustRoot& root, verify::Report* report) {
  TRY(Presented presented, AskForEvidence(settings));
  auto examined =
      verify::Examine(presented.evidence, policy, ExpectationsFor(presented), root, verify::Now());
  if (report != nullptr) *report = std::move(examined.report);
  TRY(const verify::VerifiedEnclave enclave, std::move(examined.result));
  return Session(settings, enclave, std::move(presented.channel));
}

Session::Session(const SessionSettings& settings, const verify::VerifiedEnclave& enclave,
                 channel::Channel channel)
    : settings_(settings), channel_(std::move(channel)) {
  CHECK(enclave.tls_public_key() == channel_.ServerPublicKey());
}

Result<Answer> Session::Infer(const SecretBytes& topology,
                              std::span<const tensors::NamedTensor> inputs, Lifetime lifetime) {
  const crypto::Sha384Digest digest = crypto::Sha384::Of(topology.Reveal());
  const bool is_kept = lifetime != Lifetime::kRequest && kept_ == digest;
  TRY(const SecretBytes request,
      is_kept ? EncodeFurtherRequest(inputs, lifetime) : EncodeRequest(topology, inputs, lifetime));
  kept_.reset();
  TRY_OK(channel_.SendMessage(request.Reveal(), net::After(settings_.request_timeout_ms)));
  TRY(const SecretBytes reply, channel_.ReceiveMessage(wire::kLargestMessageBytes,
                                                       net::After(settings_.request_timeout_ms)));
  // An enclave that ends the session after this reply sends no update. The reply is whole all the
  // same, and a channel that broke says so at the next request.
  (void)channel_.UpdateKeys(net::After(kKeyUpdateTimeoutMs));
  Result<Answer> answer = DecodeReply(reply);
  if (answer && lifetime != Lifetime::kRequest) kept_ = digest;
  return answer;
}

void Session::Close() { channel_.Close(); }

}  // namespace ephemeralml::session
