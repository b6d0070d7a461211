#include "enclave/attest/nsm_messages.h"

#include <gtest/gtest.h>

#include "common/cose/cbor_writer.h"

namespace ephemeralml::attest {
namespace {

Bytes Reply(std::string_view kind, std::string_view name, ByteSpan document) {
  return cose::CborWriter().Map(1).Text(kind).Map(1).Text(name).ByteString(document).Finish();
}

std::string_view Reason(ByteSpan reply) { return DecodeAttestationReply(reply).error().reason; }

TEST(NsmMessages, AskForADocumentInTheModulesOwnWords) {
  const Bytes request =
      EncodeAttestationRequest(AsBytes("key"), AsBytes("nonce"), AsBytes("data")).value();
  EXPECT_EQ(ToHex(request),
            "a16b4174746573746174696f6ea369757365725f64617461446461746165"
            "6e6f6e6365456e6f6e63656a7075626c69635f6b6579436b6579");
  const Bytes empty = EncodeAttestationRequest({}, {}, {}).value();
  EXPECT_EQ(ToHex(empty),
            "a16b4174746573746174696f6ea369757365725f64617461f665"
            "6e6f6e6365f66a7075626c69635f6b6579f6");
}

TEST(NsmMessages, RefuseMoreThanTheModuleTakes) {
  EXPECT_EQ(EncodeAttestationRequest(Bytes(4096), {}, {}).error().reason,
            "attestation_argument_too_large");
}

TEST(NsmMessages, UnwrapTheDocument) {
  const Bytes document = {1, 2, 3};
  EXPECT_EQ(DecodeAttestationReply(Reply("Attestation", "document", document)).value(), document);
}

TEST(NsmMessages, SayWhatTheModuleRefuses) {
  const Bytes error = cose::CborWriter().Map(1).Text("Error").Text("InvalidArgument").Finish();
  EXPECT_EQ(Reason(error), "nsm_refused");
}

TEST(NsmMessages, RefuseOtherReplies) {
  EXPECT_EQ(Reason(Reply("GetRandom", "document", {})), "nsm_refused");
  EXPECT_EQ(Reason(Reply("Attestation", "random", {})), "nsm_refused");
  EXPECT_EQ(Reason(cose::CborWriter().Map(0).Finish()), "nsm_refused");
  EXPECT_EQ(Reason(cose::CborWriter().Text("Attestation").Finish()), "cbor_type_unexpected");
  Bytes reply = Reply("Attestation", "document", Bytes(300));
  for (size_t size = 0; size < reply.size(); ++size) {
    EXPECT_EQ(Reason(ByteSpan(reply).first(size)), "cbor_malformed");
  }
  reply.push_back(0);
  EXPECT_EQ(Reason(reply), "cbor_malformed");
}

}  // namespace
}  // namespace ephemeralml::attest
