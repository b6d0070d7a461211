#include "enclave/attest/mock_attester.h"

#include <array>
#include <ostream>

#include "common/crypto/random.h"
#include "enclave/attest/development_ca.h"
#include "enclave/attest/measurements.h"

namespace ephemeralml::attest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr auto kLeafLifetime = hours(3);
constexpr auto kRenewedBefore = minutes(30);
constexpr auto kBackdated = minutes(1);  // for clients whose clocks are a little slow

struct Level {
  const char* name;
  hours lifetime;
  unsigned path_length;
  const char* key_usage;
};
// As in Nitro's own chains: lifetimes, path lengths and usages alike.
constexpr std::array<Level, 3> kLevels = {
    Level{"regional", hours(20 * 24), 2, "digitalSignature,keyCertSign,cRLSign"},
    Level{"zonal", hours(6 * 24), 1, "digitalSignature,keyCertSign,cRLSign"},
    Level{"instance", hours(24), 0, "keyCertSign"}};

std::string RandomHex(size_t bytes) {
  Bytes drawn(bytes);
  crypto::FillRandom(drawn);
  return ToHex(drawn);
}

Done RequireSize(ByteSpan value, size_t limit, const char* name) {
  if (value.size() <= limit) return {};
  return Error{Code::kInvalidArgument, "attestation_argument_too_large",
               std::string(name) + " has " + std::to_string(value.size()) + " bytes; at most " +
                   std::to_string(limit) + " can be attested"};
}

std::optional<Bytes> Field(ByteSpan value) {
  if (value.empty()) return std::nullopt;
  return Bytes(value.begin(), value.end());
}

}  // namespace

MockAttester::MockAttester(cose::Issuer ca, cose::PcrBank pcrs, Clock clock, cose::MapForm form)
    : ca_(std::move(ca)),
      pcrs_(std::move(pcrs)),
      clock_(std::move(clock)),
      form_(form),
      module_id_("mock-" + RandomHex(8) + "-enc" + RandomHex(8)),
      leaf_(ca_) {}

Result<std::unique_ptr<MockAttester>> MockAttester::Create(const std::filesystem::path& state,
                                                           Clock clock, cose::MapForm form) {
  const auto now = std::chrono::floor<std::chrono::seconds>(clock());
  TRY(cose::Issuer ca, OpenDevelopmentCa(state, now));
  TRY(cose::PcrBank pcrs, MeasureOwnProgram());
  std::unique_ptr<MockAttester> attester(
      new MockAttester(std::move(ca), std::move(pcrs), std::move(clock), form));
  TRY_OK(attester->RenewChain(attester->clock_()));
  return attester;
}

bool MockAttester::ChainServes(Time now) const { return made_at_ <= now && now < renew_from_; }

Done MockAttester::RenewChain(Time now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  cose::Issuer issuer = ca_;
  std::vector<Bytes> bundle = {ca_.certificate};
  for (const Level& level : kLevels) {
    const cose::CertificateSpec spec = {
        .common_name = RandomHex(8) + "." + level.name + ".mock.ephemeralml",
        .not_before = seconds - kBackdated,
        .not_after = seconds + level.lifetime,
        .is_ca = true,
        .path_length = level.path_length,
        .key_usage = level.key_usage};
    const cose::Es384Key key = cose::Es384Key::Generate();
    TRY(Bytes certificate, cose::IssueCertificate(spec, key.PublicKey(), issuer));
    bundle.push_back(certificate);
    issuer = {key, std::move(certificate)};
  }
  const cose::CertificateSpec spec = {.common_name = module_id_ + ".mock.ephemeralml",
                                      .not_before = seconds - kBackdated,
                                      .not_after = seconds + kLeafLifetime,
                                      .is_ca = false,
                                      .path_length = {},
                                      .key_usage = "digitalSignature,nonRepudiation"};
  const cose::Es384Key key = cose::Es384Key::Generate();
  TRY(Bytes certificate, cose::IssueCertificate(spec, key.PublicKey(), issuer));
  leaf_ = {key, std::move(certificate)};
  bundle_ = std::move(bundle);
  made_at_ = now;
  renew_from_ = now + kLeafLifetime - kRenewedBefore;
  return {};
}

Result<Bytes> MockAttester::Attest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data) {
  TRY_OK(RequireSize(public_key, cose::kLargestPublicKeyBytes, "the public key"));
  TRY_OK(RequireSize(nonce, cose::kLargestNonceBytes, "the nonce"));
  TRY_OK(RequireSize(user_data, cose::kLargestUserDataBytes, "the user data"));
  const Time now = clock_();
  if (!ChainServes(now)) {
    TRY_OK(RenewChain(now));
  }
  const cose::AttestationDocument document = {
      .module_id = module_id_,
      .timestamp_ms = static_cast<uint64_t>(now.time_since_epoch().count()),
      .pcrs = pcrs_,
      .certificate = leaf_.certificate,
      .cabundle = bundle_,
      .public_key = Field(public_key),
      .user_data = Field(user_data),
      .nonce = Field(nonce)};
  const Bytes payload = cose::EncodeDocument(document, form_);
  return cose::EncodeSign1(payload, leaf_.key.Sign(cose::SignedBytes(payload)),
                           cose::Sign1Form::kUntagged);
}

Result<std::unique_ptr<Attester>> CreateAttester(const PlatformSettings& settings) {
  const auto clock = [] {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  };
  // The form of current Nitro documents.
  TRY(std::unique_ptr<Attester> attester,
      MockAttester::Create(settings.state, clock, cose::MapForm::kIndefinite));
  return attester;
}

Done PrintMeasurements(std::ostream& out) {
  TRY(const cose::PcrBank pcrs, MeasureOwnProgram());
  out << "# MOCK: no hardware protects this\n[[measurements]]\nname = \"mock enclave\"\n";
  for (const uint8_t index : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) {
    out << "pcr" << int{index} << " = \"" << ToHex(pcrs.at(index)) << "\"\n";
  }
  return {};
}

}  // namespace ephemeralml::attest
