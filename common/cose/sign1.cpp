#include "common/cose/sign1.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/cose/cbor_reader.h"
#include "common/cose/cbor_writer.h"

namespace ephemeralml::cose {
namespace {

constexpr uint8_t kSign1Tag = 18;
constexpr uint64_t kSign1Items = 4;
// The map {1 (alg): -35 (ES384)}. Compared whole: a header in any other spelling has no second
// meaning.
constexpr std::array<uint8_t, 4> kProtectedHeader = {0xa1, 0x01, 0x38, 0x22};

Error Malformed(std::string what) {
  return {Code::kMalformed, "evidence_malformed", std::move(what)};
}

Done RequireEmptyMap(CborReader& reader) {
  TRY(CborContainer unprotected, reader.ReadMap());
  TRY(const bool has_entry, reader.HasNext(unprotected));
  if (has_entry) return Malformed("the evidence's unprotected header isn't empty");
  return {};
}

}  // namespace

Result<Sign1> DecodeSign1(ByteSpan evidence) {
  if (evidence.size() > kLargestEvidenceBytes) {
    return Error{Code::kOverLimit, "evidence_too_large",
                 "evidence of " + std::to_string(evidence.size()) + " bytes; at most " +
                     std::to_string(kLargestEvidenceBytes) + " are looked at"};
  }
  CborReader reader(evidence);
  (void)reader.TakeTag(kSign1Tag);  // optional
  TRY(const uint64_t items, reader.ReadDefiniteArray());
  if (items != kSign1Items) return Malformed("the evidence isn't a COSE_Sign1: not four items");
  TRY(const ByteSpan protected_header, reader.ReadByteString());
  if (!std::ranges::equal(protected_header, kProtectedHeader)) {
    return Error{Code::kUnsupported, "evidence_algorithm_refused",
                 "the evidence's protected header is " +
                     ToHex(protected_header.first(std::min(protected_header.size(), size_t{16}))) +
                     "; only ES384, " + ToHex(kProtectedHeader) + ", is accepted"};
  }
  TRY_OK(RequireEmptyMap(reader));
  Sign1 sign1;
  TRY(sign1.payload, reader.ReadByteString());
  TRY(const ByteSpan signature, reader.ReadByteString());
  TRY_OK(reader.ExpectEnd());
  if (signature.size() != Es384Signature::kSize) {
    return Malformed("an ES384 signature has 96 bytes, not " + std::to_string(signature.size()));
  }
  std::ranges::copy(signature, sign1.signature.begin());
  return sign1;
}

Bytes EncodeSign1(ByteSpan payload, const Es384Signature& signature, Sign1Form form) {
  CborWriter writer;
  if (form == Sign1Form::kTagged) writer.Tag(kSign1Tag);
  writer.Array(kSign1Items).ByteString(kProtectedHeader).Map(0).ByteString(payload);
  return writer.ByteString(signature).Finish();
}

Bytes SignedBytes(ByteSpan payload) {
  CborWriter writer;
  writer.Array(4).Text("Signature1").ByteString(kProtectedHeader).ByteString({});
  return writer.ByteString(payload).Finish();
}

}  // namespace ephemeralml::cose
