// Reaches: attest::DecodeDescribeReply, DecodeRandomReply, DecodeDescribeRegisterReply,
// DecodeExtendReply, DecodeLockReply, DecodeAttestationReply, SecureRegisters, GatherEntropy

#include "enclave/attest/nsm_module.h"

namespace {

using namespace ephemeralml;

constexpr size_t kLengthBytes = 2;

// Replies one after the other, each after its length.
class Replies {
 public:
  explicit Replies(ByteSpan bytes) : reader_(bytes) {}

  Result<Bytes> Next() {
    const auto length = reader_.ReadU16BigEndian();
    if (!length) return Error{Code::kIo, "nsm_refused", "no reply is left"};
    const auto bytes = reader_.ReadBytes(std::min<size_t>(*length, reader_.remaining()));
    return Bytes(bytes->begin(), bytes->end());
  }

 private:
  ByteReader reader_;
};

void DecodeAsEach(ByteSpan reply) {
  (void)attest::DecodeDescribeReply(reply);
  (void)attest::DecodeRandomReply(reply);
  (void)attest::DecodeDescribeRegisterReply(reply);
  (void)attest::DecodeExtendReply(reply);
  (void)attest::DecodeLockReply(reply);
  (void)attest::DecodeAttestationReply(reply);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteSpan input(data, size);
  if (size >= kLengthBytes) DecodeAsEach(input.subspan(kLengthBytes));
  for (const bool entropy : {false, true}) {
    Replies replies(input);
    const attest::NsmModule module([&](ByteSpan) { return replies.Next(); });
    if (entropy) {
      (void)attest::GatherEntropy(module);
    } else {
      (void)attest::SecureRegisters(module, attest::DebugMode::kRefused);
    }
  }
  return 0;
}
