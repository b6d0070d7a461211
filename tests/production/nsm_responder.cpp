#include "tests/production/nsm_responder.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "common/cose/cbor_reader.h"
#include "common/cose/cbor_writer.h"
#include "common/cose/sign1.h"
#include "common/crypto/random.h"

namespace ephemeralml::production {
namespace {

using cose::CborReader;
using cose::CborWriter;
using std::chrono::hours;

constexpr size_t kRandomBytes = 256;
constexpr auto kBackdated = std::chrono::minutes(5);
constexpr auto kRootLifetime = hours(24 * 365);
constexpr auto kLeafLifetime = hours(3);

struct Level {
  const char* name;
  hours lifetime;
  unsigned path_length;
  const char* key_usage;
};
constexpr std::array<Level, 3> kLevels = {
    Level{"regional.test", hours(20 * 24), 2, "digitalSignature,keyCertSign,cRLSign"},
    Level{"zonal.test", hours(6 * 24), 1, "digitalSignature,keyCertSign,cRLSign"},
    Level{"instance.test", hours(24), 0, "keyCertSign"}};

cose::Seconds Now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

cose::CertificateSpec AuthoritySpec(const std::string& name, std::chrono::seconds lifetime) {
  cose::CertificateSpec spec;
  spec.common_name = name;
  spec.not_before = Now() - kBackdated;
  spec.not_after = Now() + lifetime;
  spec.is_ca = true;
  spec.key_usage = "digitalSignature,keyCertSign,cRLSign";
  return spec;
}

Error Refusal(std::string_view code) { return {Code::kInvalidArgument, code, ""}; }

Bytes OneField(std::string_view kind, std::string_view field, ByteSpan contents) {
  return CborWriter().Map(1).Text(kind).Map(1).Text(field).ByteString(contents).Finish();
}

cose::Pcr ChainOf(const cose::Pcr& old, ByteSpan data) {
  Bytes both(old.begin(), old.end());
  AppendBytes(both, data);
  cose::Pcr value;
  CHECK(EVP_Digest(both.data(), both.size(), value.data(), nullptr, EVP_sha384(), nullptr) == 1);
  return value;
}

std::optional<Bytes> Copy(std::optional<ByteSpan> bytes) {
  if (!bytes) return std::nullopt;
  return Bytes(bytes->begin(), bytes->end());
}

// A request's arguments, whichever of them it has.
struct Arguments {
  uint64_t number = 0;  // index or range
  std::optional<ByteSpan> data, public_key, nonce, user_data;

  static Result<Arguments> Read(CborReader& reader) {
    Arguments arguments;
    TRY(cose::CborContainer map, reader.ReadMap());
    for (;;) {
      TRY(const bool has_next, reader.HasNext(map));
      if (!has_next) return arguments;
      TRY(const std::string_view name, reader.ReadText());
      if (name == "index" || name == "range") {
        TRY(arguments.number, reader.ReadUnsigned());
        continue;
      }
      TRY(const std::optional<ByteSpan> bytes, reader.ReadByteStringOrNull());
      if (name == "data") arguments.data = bytes;
      if (name == "public_key") arguments.public_key = bytes;
      if (name == "nonce") arguments.nonce = bytes;
      if (name == "user_data") arguments.user_data = bytes;
    }
  }
};

}  // namespace

cose::Issuer MakeRoot() {
  const cose::Es384Key key = cose::Es384Key::Generate();
  return {key, cose::IssueRoot(AuthoritySpec("root.test", kRootLifetime), key)};
}

SigningChain SigningChain::Below(const cose::Issuer& root) {
  SigningChain chain{{root.certificate}, root};
  for (const Level& level : kLevels) {
    cose::CertificateSpec spec = AuthoritySpec(level.name, level.lifetime);
    spec.path_length = level.path_length;
    spec.key_usage = level.key_usage;
    const cose::Es384Key key = cose::Es384Key::Generate();
    chain.leaf = {key, cose::IssueCertificate(spec, key.PublicKey(), chain.leaf).value()};
    chain.bundle.push_back(chain.leaf.certificate);
  }
  cose::CertificateSpec spec = AuthoritySpec("enclave.test", kLeafLifetime);
  spec.is_ca = false;
  spec.key_usage = "digitalSignature,nonRepudiation";
  const cose::Es384Key key = cose::Es384Key::Generate();
  chain.leaf = {key, cose::IssueCertificate(spec, key.PublicKey(), chain.leaf).value()};
  return chain;
}

NsmResponder::NsmResponder(const cose::Issuer& root, cose::PcrBank measured,
                           std::function<Conduct()> conduct)
    : registers_(std::move(measured)),
      conduct_(std::move(conduct)),
      chain_(SigningChain::Below(root)),
      other_chain_(SigningChain::Below(MakeRoot())) {
  for (size_t i = 0; i < kRegisters; ++i) registers_.try_emplace(static_cast<uint8_t>(i));
  Bytes id(8);
  crypto::FillRandom(id);
  module_id_ = "i-test-enc" + ToHex(id);
}

Bytes NsmResponder::Answer(ByteSpan request) {
  Result<Bytes> reply = Try(request);
  if (reply) return *std::move(reply);
  const bool is_code = reply.error().reason.front() < 'a';  // otherwise one of CborReader's
  return CborWriter()
      .Map(1)
      .Text("Error")
      .Text(is_code ? reply.error().reason : std::string_view("InvalidOperation"))
      .Finish();
}

Result<Bytes> NsmResponder::Try(ByteSpan request) {
  CborReader reader(request);
  if (const auto word = reader.ReadText()) {
    if (*word == "DescribeNSM") return Describe();
    if (*word != "GetRandom") return Refusal("InvalidOperation");
    Bytes random(kRandomBytes);
    crypto::FillRandom(random);
    return OneField("GetRandom", "random", random);
  }
  TRY(cose::CborContainer map, reader.ReadMap());
  TRY(const bool has_request, reader.HasNext(map));
  if (!has_request) return Refusal("InvalidOperation");
  TRY(const std::string_view kind, reader.ReadText());
  TRY(const Arguments arguments, Arguments::Read(reader));
  if (kind == "DescribePCR") return DescribeRegister(arguments.number);
  if (kind == "LockPCRs") return Lock(arguments.number);
  if (kind == "ExtendPCR" && arguments.data) return Extend(arguments.number, *arguments.data);
  if (kind != "Attestation") return Refusal("InvalidOperation");
  return Attest(arguments.public_key, arguments.nonce, arguments.user_data);
}

Bytes NsmResponder::Describe() const {
  CborWriter writer;
  writer.Map(1).Text("DescribeNSM").Map(7).Text("version_major").Unsigned(1);
  writer.Text("version_minor").Unsigned(0).Text("version_patch").Unsigned(0);
  writer.Text("module_id").Text(module_id_).Text("max_pcrs").Unsigned(kRegisters);
  writer.Text("locked_pcrs").Array(locked_.count());
  for (size_t i = 0; i < kRegisters; ++i) {
    if (locked_.test(i)) writer.Unsigned(i);
  }
  return writer.Text("digest").Text("SHA384").Finish();
}

Result<Bytes> NsmResponder::DescribeRegister(uint64_t index) const {
  if (index >= kRegisters) return Refusal("InvalidIndex");
  CborWriter writer;
  writer.Map(1).Text("DescribePCR").Map(2).Text("lock").Boolean(locked_.test(index));
  return writer.Text("data").ByteString(registers_.at(static_cast<uint8_t>(index))).Finish();
}

Result<Bytes> NsmResponder::Extend(uint64_t index, ByteSpan data) {
  if (index >= kRegisters) return Refusal("InvalidIndex");
  if (locked_.test(index)) return Refusal("ReadOnlyIndex");
  cose::Pcr& value = registers_.at(static_cast<uint8_t>(index));
  value = ChainOf(value, data);
  return OneField("ExtendPCR", "data", value);
}

Result<Bytes> NsmResponder::Lock(uint64_t count) {
  if (count > kRegisters) return Refusal("InvalidIndex");
  for (size_t i = 0; i < count; ++i) locked_.set(i);
  return CborWriter().Text("LockPCRs").Finish();
}

Bytes NsmResponder::Attest(std::optional<ByteSpan> public_key, std::optional<ByteSpan> nonce,
                           std::optional<ByteSpan> user_data) const {
  const Conduct conduct = conduct_();
  const SigningChain& chain = conduct == Conduct::kOtherRoot ? other_chain_ : chain_;
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  cose::AttestationDocument document;
  document.module_id = module_id_;
  document.timestamp_ms = static_cast<uint64_t>(now.time_since_epoch().count());
  for (const auto& [index, value] : registers_) {
    const bool is_zeroed = conduct == Conduct::kDebug && index < 3;
    if (locked_.test(index)) document.pcrs[index] = is_zeroed ? cose::Pcr() : value;
  }
  document.certificate = chain.leaf.certificate;
  document.cabundle = chain.bundle;
  document.public_key = Copy(public_key);
  document.user_data = Copy(user_data);
  document.nonce = Copy(nonce);
  // The form of current Nitro documents.
  const Bytes payload = cose::EncodeDocument(document, cose::MapForm::kIndefinite);
  return OneField("Attestation", "document",
                  cose::EncodeSign1(payload, chain.leaf.key.Sign(cose::SignedBytes(payload)),
                                    cose::Sign1Form::kUntagged));
}

}  // namespace ephemeralml::production
