#include "enclave/attest/nsm_module.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/cose/sign1.h"

namespace ephemeralml::attest {
namespace {

constexpr uint16_t kMajorVersion = 1;
constexpr uint16_t kFewestRegisters = 17;  // one at least isn't the hypervisor's
constexpr size_t kFewestRandomBytes = 32;
// Source: AWS, "Cryptographic attestation", on enclaves in debug mode.
constexpr std::array<uint8_t, 3> kZeroInDebugMode = {0, 1, 2};
constexpr std::array<uint8_t, 6> kNamedByPolicies = {0, 1, 2, 3, 4, 8};

Error Unlocked(uint16_t index) {
  return {Code::kUntrusted, "nsm_register_unlocked",
          "register " + std::to_string(index) +
              " isn't locked: whatever it says could have been written by anybody"};
}

Error Debug() {
  return {Code::kUntrusted, "enclave_in_debug_mode",
          "the enclave runs in debug mode, in which its console can be read: no client would send "
          "it a secret"};
}

Error PoorRandom() {
  return {Code::kIo, "nsm_random_poor", "the security module's random bytes aren't random"};
}

bool AreAllEqual(ByteSpan bytes) {
  return std::ranges::all_of(bytes, [&](uint8_t byte) { return byte == bytes.front(); });
}

Done RequireVersion(const NsmDescription& description) {
  if (description.major_version == kMajorVersion && description.registers >= kFewestRegisters) {
    return {};
  }
  return Error{Code::kUnsupported, "nsm_version_unsupported",
               "the security module has version " + std::to_string(description.major_version) +
                   " and " + std::to_string(description.registers) + " registers"};
}

Result<cose::PcrBank> ReadRegisters(const NsmModule& module) {
  cose::PcrBank bank;
  for (const uint8_t index : kNamedByPolicies) {
    TRY(const NsmRegister found, module.DescribeRegister(index));
    if (!found.locked) return Unlocked(index);
    bank[index] = found.value;
  }
  return bank;
}

// What clients will be shown, which is another of the module's answers than the registers.
Done CompareWithDocument(const NsmModule& module, const cose::PcrBank& registers) {
  TRY(const Bytes evidence, module.Attest({}, {}, {}));
  TRY(const cose::Sign1 sign1, cose::DecodeSign1(evidence));
  TRY(const cose::AttestationDocument document, cose::DecodeDocument(sign1.payload));
  for (const auto& [index, value] : registers) {
    const auto shown = document.pcrs.find(index);
    if (shown == document.pcrs.end() || shown->second != value) {
      return Error{Code::kIo, "nsm_reply_invalid",
                   "the security module's document shows another register " +
                       std::to_string(index) + " than the module itself"};
    }
  }
  return {};
}

Done LockAll(const NsmModule& module, uint16_t registers) {
  TRY_OK(module.Lock(registers));
  TRY(const NsmDescription description, module.Describe());
  for (uint16_t index = 0; index < registers; ++index) {
    if (!description.locked.test(index)) return Unlocked(index);
  }
  // A lock is worth what it refuses.
  const uint16_t last = static_cast<uint16_t>(registers - 1);
  const auto extended = module.Extend(last, AsBytes("ephemeralml"));
  if (extended) return Unlocked(last);
  if (extended.error().reason != "nsm_refused") return extended.error();
  return {};
}

}  // namespace

Result<NsmDescription> NsmModule::Describe() const {
  TRY(const Bytes reply, call_(EncodeDescribeRequest()));
  return DecodeDescribeReply(reply);
}

Result<SecretBytes> NsmModule::GetRandom() const {
  TRY(Bytes reply, call_(EncodeRandomRequest()));
  Result<SecretBytes> random = DecodeRandomReply(reply);
  Wipe(reply);
  return random;
}

Result<NsmRegister> NsmModule::DescribeRegister(uint16_t index) const {
  TRY(const Bytes reply, call_(EncodeDescribeRegisterRequest(index)));
  return DecodeDescribeRegisterReply(reply);
}

Result<cose::Pcr> NsmModule::Extend(uint16_t index, ByteSpan data) const {
  TRY(const Bytes reply, call_(EncodeExtendRequest(index, data)));
  return DecodeExtendReply(reply);
}

Done NsmModule::Lock(uint16_t count) const {
  TRY(const Bytes reply, call_(EncodeLockRequest(count)));
  return DecodeLockReply(reply);
}

Result<Bytes> NsmModule::Attest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data) const {
  TRY(const Bytes request, EncodeAttestationRequest(public_key, nonce, user_data));
  TRY(const Bytes reply, call_(request));
  return DecodeAttestationReply(reply);
}

Result<SecretBytes> GatherEntropy(const NsmModule& module) {
  TRY(const SecretBytes first, module.GetRandom());
  TRY(const SecretBytes second, module.GetRandom());
  for (const SecretBytes* random : {&first, &second}) {
    if (random->size() < kFewestRandomBytes || AreAllEqual(random->Reveal())) return PoorRandom();
  }
  if (std::ranges::equal(first.Reveal(), second.Reveal())) return PoorRandom();
  SecretBytes both(first.size() + second.size());
  const auto rest = std::ranges::copy(first.Reveal(), both.Fill().begin()).out;
  std::ranges::copy(second.Reveal(), rest);
  return both;
}

Done SecureRegisters(const NsmModule& module, DebugMode debug) {
  TRY(const NsmDescription description, module.Describe());
  TRY_OK(RequireVersion(description));
  TRY(const cose::PcrBank registers, ReadRegisters(module));
  TRY_OK(CompareWithDocument(module, registers));
  for (const uint8_t index : kZeroInDebugMode) {
    if (debug == DebugMode::kRefused && registers.at(index).IsZero()) return Debug();
  }
  return LockAll(module, description.registers);
}

}  // namespace ephemeralml::attest
