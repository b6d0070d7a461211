#include "enclave/attest/nsm_module.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>

#include "common/cose/cbor_writer.h"
#include "common/cose/sign1.h"

namespace ephemeralml::attest {
namespace {

using cose::CborWriter;

constexpr size_t kRegisters = 32;
constexpr std::array<uint16_t, 3> kZeroInDebugMode = {0, 1, 2};
constexpr std::array<uint16_t, 6> kNamedByPolicies = {0, 1, 2, 3, 4, 8};

// A module that answers as Nitro's does, unless a test bends it.
struct CannedModule {
  std::bitset<kRegisters> locked = 0xffff;
  std::map<uint16_t, Bytes> registers;
  std::map<uint16_t, Bytes> shown;  ///< in the document, in place of the register
  std::deque<Bytes> random = {Bytes(256, 1), Bytes(256, 2)};
  uint64_t major_version = 1;
  uint64_t register_count = kRegisters;
  bool ignores_lock = false;
  bool extends_locked = false;
  std::vector<Bytes> requests;

  CannedModule() {
    for (uint16_t i = 0; i < kRegisters; ++i) {
      registers[i] = Bytes(48, i < 3 ? static_cast<uint8_t>(i + 1) : uint8_t{0});
    }
    for (Bytes& each : random) each[7] ^= 0x55;
  }

  Bytes Describe() const {
    CborWriter writer;
    writer.Map(1).Text("DescribeNSM").Map(7).Text("version_major").Unsigned(major_version);
    writer.Text("version_minor").Unsigned(0).Text("version_patch").Unsigned(0);
    writer.Text("module_id").Text("i-1-enc2").Text("digest").Text("SHA384");
    writer.Text("max_pcrs").Unsigned(register_count).Text("locked_pcrs").Array(locked.count());
    for (size_t i = 0; i < kRegisters; ++i) {
      if (locked.test(i)) writer.Unsigned(i);
    }
    return writer.Finish();
  }

  Bytes Document() const {
    cose::AttestationDocument document;
    document.module_id = "i-1-enc2";
    document.timestamp_ms = 1;
    document.certificate = Bytes(10, 1);
    document.cabundle = {Bytes(10, 1)};
    for (const auto& [index, value] : registers) {
      if (!locked.test(index)) continue;
      const Bytes& bytes = shown.contains(index) ? shown.at(index) : value;
      std::ranges::copy(bytes, document.pcrs[static_cast<uint8_t>(index)].begin());
    }
    const Bytes payload = cose::EncodeDocument(document, cose::MapForm::kDefinite);
    const Bytes evidence = cose::EncodeSign1(payload, {}, cose::Sign1Form::kUntagged);
    return CborWriter()
        .Map(1)
        .Text("Attestation")
        .Map(1)
        .Text("document")
        .ByteString(evidence)
        .Finish();
  }

  Bytes DescribeRegister(uint16_t index) const {
    CborWriter writer;
    writer.Map(1).Text("DescribePCR").Map(2).Text("lock").Boolean(locked.test(index));
    return writer.Text("data").ByteString(registers.at(index)).Finish();
  }

  Bytes Random() {
    CborWriter writer;
    writer.Map(1).Text("GetRandom").Map(1).Text("random").ByteString(random.front());
    random.pop_front();
    return writer.Finish();
  }

  Bytes Extend() const {
    const Bytes refusal = CborWriter().Map(1).Text("Error").Text("ReadOnlyIndex").Finish();
    const Bytes done =
        CborWriter().Map(1).Text("ExtendPCR").Map(1).Text("data").ByteString(Bytes(48, 9)).Finish();
    return extends_locked ? done : refusal;
  }

  Bytes Answer(ByteSpan request) {
    requests.emplace_back(request.begin(), request.end());
    if (requests.back() == EncodeDescribeRequest()) return Describe();
    if (requests.back() == EncodeRandomRequest()) return Random();
    if (requests.back() == EncodeAttestationRequest({}, {}, {})) return Document();
    if (requests.back() == EncodeLockRequest(static_cast<uint16_t>(register_count))) {
      if (!ignores_lock) locked.set();
      return CborWriter().Text("LockPCRs").Finish();
    }
    for (uint16_t i = 0; i < kRegisters; ++i) {
      if (requests.back() == EncodeDescribeRegisterRequest(i)) return DescribeRegister(i);
    }
    return Extend();
  }

  NsmModule Module() {
    return NsmModule([this](ByteSpan request) -> Result<Bytes> { return Answer(request); });
  }

  std::string_view Start(DebugMode debug = DebugMode::kRefused) {
    const Done done = SecureRegisters(Module(), debug);
    return done ? std::string_view("accepted") : done.error().reason;
  }
  std::string_view Entropy() {
    const auto entropy = GatherEntropy(Module());
    return entropy ? std::string_view("accepted") : entropy.error().reason;
  }
};

TEST(SecureRegisters, LocksThemAllAndTriesTheLock) {
  CannedModule module;
  EXPECT_EQ(module.Start(), "accepted");
  EXPECT_TRUE(module.locked.all());
  EXPECT_EQ(module.requests.back(), EncodeExtendRequest(31, AsBytes("ephemeralml")));
}

TEST(SecureRegisters, RefusesLocksThatDontHold) {
  CannedModule ignoring;
  ignoring.ignores_lock = true;
  EXPECT_EQ(ignoring.Start(), "nsm_register_unlocked");
  CannedModule extending;
  extending.extends_locked = true;
  EXPECT_EQ(extending.Start(), "nsm_register_unlocked");
}

TEST(SecureRegisters, RefusesRegistersThatWereOpenBefore) {
  for (const uint16_t index : kNamedByPolicies) {
    CannedModule module;
    module.locked.reset(index);
    EXPECT_EQ(module.Start(), "nsm_register_unlocked") << index;
    EXPECT_FALSE(module.locked.all()) << index;
  }
  CannedModule module;
  module.locked.reset(9);  // no policy names it
  EXPECT_EQ(module.Start(), "accepted");
}

TEST(SecureRegisters, RefusesDebugMode) {
  for (const uint16_t index : kZeroInDebugMode) {
    CannedModule module;
    module.registers[index] = Bytes(48);
    EXPECT_EQ(module.Start(), "enclave_in_debug_mode") << index;
    EXPECT_FALSE(module.locked.all()) << index;
    EXPECT_EQ(module.Start(DebugMode::kAllowed), "accepted") << index;
  }
}

TEST(SecureRegisters, RefusesADocumentThatSaysSomethingElse) {
  for (const uint16_t index : kNamedByPolicies) {
    CannedModule module;
    module.shown[index] = Bytes(48, 77);
    EXPECT_EQ(module.Start(), "nsm_reply_invalid") << index;
  }
  CannedModule zeroed;
  zeroed.shown[0] = Bytes(48);
  EXPECT_EQ(zeroed.Start(DebugMode::kAllowed), "nsm_reply_invalid");
}

TEST(SecureRegisters, RefusesOtherVersions) {
  CannedModule newer;
  newer.major_version = 2;
  EXPECT_EQ(newer.Start(), "nsm_version_unsupported");
  CannedModule small;
  small.register_count = 16;
  EXPECT_EQ(small.Start(), "nsm_version_unsupported");
}

TEST(SecureRegisters, ReportsAModuleThatFails) {
  // At whichever of its calls the module begins to answer with an error.
  for (size_t good_calls = 0; good_calls < 10; ++good_calls) {
    CannedModule module;
    const NsmModule failing([&](ByteSpan request) -> Result<Bytes> {
      Bytes reply = module.Answer(request);
      if (module.requests.size() <= good_calls) return reply;
      return CborWriter().Map(1).Text("Error").Text("InternalError").Finish();
    });
    EXPECT_EQ(SecureRegisters(failing, DebugMode::kRefused).error().reason, "nsm_refused")
        << good_calls;
  }
}

TEST(GatherEntropy, TakesTwoReplies) {
  CannedModule module;
  EXPECT_EQ(GatherEntropy(module.Module())->size(), 512U);
}

TEST(GatherEntropy, RefusesWhatIsntRandom) {
  CannedModule repeating;
  repeating.random[1] = repeating.random[0];
  EXPECT_EQ(repeating.Entropy(), "nsm_random_poor");
  for (const size_t place : {0, 1}) {
    CannedModule constant;
    constant.random[place] = Bytes(256, 0xff);
    EXPECT_EQ(constant.Entropy(), "nsm_random_poor");
    CannedModule few;
    few.random[place].resize(31);
    EXPECT_EQ(few.Entropy(), "nsm_random_poor");
    CannedModule none;
    none.random[place].clear();
    EXPECT_EQ(none.Entropy(), "nsm_reply_invalid");
  }
}

}  // namespace
}  // namespace ephemeralml::attest
