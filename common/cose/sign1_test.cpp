#include "common/cose/sign1.h"

#include <gtest/gtest.h>

#include "common/cose/cbor_writer.h"

namespace ephemeralml::cose {
namespace {

const Bytes kPayload = {0xa0};
const Bytes kHeader = {0xa1, 0x01, 0x38, 0x22};

Es384Signature SampleSignature() {
  Es384Signature signature;
  signature.fill(0x5a);
  return signature;
}

Bytes Build(ByteSpan header, size_t unprotected, size_t signature_bytes) {
  CborWriter writer;
  writer.Array(4).ByteString(header).Map(unprotected);
  for (size_t i = 0; i < unprotected; ++i) writer.Unsigned(i).Unsigned(i);
  return writer.ByteString(kPayload).ByteString(Bytes(signature_bytes)).Finish();
}

std::string_view Reason(ByteSpan evidence) { return DecodeSign1(evidence).error().reason; }

TEST(Sign1, RoundTripsTaggedAndUntagged) {
  for (const Sign1Form form : {Sign1Form::kUntagged, Sign1Form::kTagged}) {
    const Bytes evidence = EncodeSign1(kPayload, SampleSignature(), form);
    const Sign1 decoded = DecodeSign1(evidence).value();
    EXPECT_EQ(Bytes(decoded.payload.begin(), decoded.payload.end()), kPayload);
    EXPECT_EQ(decoded.signature, SampleSignature());
  }
}

TEST(Sign1, SignsWhatRfc9052Says) {
  EXPECT_EQ(ToHex(SignedBytes(kPayload)), "846a5369676e61747572653144a10138224041a0");
}

TEST(Sign1, RefusesEveryProtectedHeaderButEs384) {
  for (const char* header : {"", "a0", "a10120", "a1013823", "a101390022", "bf013822ff",
                             "a2013822041a", "a10138220000"}) {
    EXPECT_EQ(Reason(Build(FromHex(header).value(), 0, 96)), "evidence_algorithm_refused")
        << header;
  }
}

TEST(Sign1, RefusesAnUnprotectedHeader) {
  EXPECT_EQ(Reason(Build(kHeader, 1, 96)), "evidence_malformed");
}

TEST(Sign1, RefusesSignaturesOfOtherLengths) {
  for (const size_t size : {0, 64, 95, 97, 132}) {
    EXPECT_EQ(Reason(Build(kHeader, 0, size)), "evidence_malformed");
  }
}

TEST(Sign1, RefusesOtherItemCountsAndTags) {
  const Bytes three = CborWriter().Array(3).ByteString(kHeader).Map(0).ByteString({}).Finish();
  EXPECT_EQ(Reason(three), "evidence_malformed");
  Bytes tagged = CborWriter().Tag(17).Finish();
  AppendBytes(tagged, Build(kHeader, 0, 96));
  EXPECT_EQ(DecodeSign1(tagged).error().code, Code::kMalformed);
  EXPECT_EQ(Reason({}), "cbor_malformed");
}

TEST(Sign1, RefusesTruncationAtEveryByteAndTrailingBytes) {
  Bytes evidence = EncodeSign1(kPayload, SampleSignature(), Sign1Form::kTagged);
  for (size_t size = 0; size < evidence.size(); ++size) {
    EXPECT_FALSE(DecodeSign1(ByteSpan(evidence).first(size)));
  }
  evidence.push_back(0);
  EXPECT_EQ(Reason(evidence), "cbor_malformed");
}

TEST(Sign1, RefusesMoreThanItsLimit) {
  EXPECT_EQ(Reason(Bytes(kLargestEvidenceBytes + 1)), "evidence_too_large");
}

}  // namespace
}  // namespace ephemeralml::cose
