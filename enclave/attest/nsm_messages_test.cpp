#include "enclave/attest/nsm_messages.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/cose/cbor_writer.h"

namespace ephemeralml::attest {
namespace {

using cose::CborWriter;

// A reply, how it is decoded, and the reason of what decoding says.
struct Kind {
  const char* name;
  Bytes reply;
  std::function<std::string_view(ByteSpan)> decode;
};

template <class T>
std::string_view ReasonOf(const Result<T>& result) {
  return result ? std::string_view("accepted") : result.error().reason;
}

Bytes OneField(std::string_view kind, std::string_view field, ByteSpan contents) {
  return CborWriter().Map(1).Text(kind).Map(1).Text(field).ByteString(contents).Finish();
}

struct Description {
  uint64_t major = 1;
  std::string module_id = "i-0123-enc4567";
  uint64_t registers = 32;
  std::vector<uint64_t> locked = {0, 1, 2, 15};
  std::string digest = "SHA384";

  Bytes Reply() const {
    CborWriter writer;
    writer.Map(1).Text("DescribeNSM").Map(7).Text("version_major").Unsigned(major);
    writer.Text("version_minor").Unsigned(2).Text("version_patch").Unsigned(3);
    writer.Text("module_id").Text(module_id).Text("max_pcrs").Unsigned(registers);
    writer.Text("locked_pcrs").Array(locked.size());
    for (const uint64_t index : locked) writer.Unsigned(index);
    return writer.Text("digest").Text(digest).Finish();
  }
  std::string_view Reason() const { return ReasonOf(DecodeDescribeReply(Reply())); }
};

Bytes RegisterReply(bool locked, ByteSpan value) {
  return CborWriter()
      .Map(1)
      .Text("DescribePCR")
      .Map(2)
      .Text("lock")
      .Boolean(locked)
      .Text("data")
      .ByteString(value)
      .Finish();
}

std::vector<Kind> Kinds() {
  return {
      {"DescribeNSM", Description().Reply(),
       [](ByteSpan reply) { return ReasonOf(DecodeDescribeReply(reply)); }},
      {"GetRandom", OneField("GetRandom", "random", Bytes(256, 7)),
       [](ByteSpan reply) { return ReasonOf(DecodeRandomReply(reply)); }},
      {"DescribePCR", RegisterReply(true, Bytes(48, 7)),
       [](ByteSpan reply) { return ReasonOf(DecodeDescribeRegisterReply(reply)); }},
      {"ExtendPCR", OneField("ExtendPCR", "data", Bytes(48, 7)),
       [](ByteSpan reply) { return ReasonOf(DecodeExtendReply(reply)); }},
      {"LockPCRs", CborWriter().Text("LockPCRs").Finish(),
       [](ByteSpan reply) { return ReasonOf(DecodeLockReply(reply)); }},
      {"Attestation", OneField("Attestation", "document", Bytes(300, 7)),
       [](ByteSpan reply) { return ReasonOf(DecodeAttestationReply(reply)); }},
  };
}

TEST(NsmRequests, AreInTheModulesOwnWords) {
  EXPECT_EQ(ToHex(EncodeDescribeRequest()), "6b44657363726962654e534d");
  EXPECT_EQ(ToHex(EncodeRandomRequest()), "6947657452616e646f6d");
  EXPECT_EQ(ToHex(EncodeDescribeRegisterRequest(24)),
            "a16b4465736372696265504352a165696e6465781818");
  EXPECT_EQ(ToHex(EncodeExtendRequest(16, AsBytes("x"))),
            "a169457874656e64504352a265696e646578106464617461"
            "4178");
  EXPECT_EQ(ToHex(EncodeLockRequest(32)), "a1684c6f636b50435273a16572616e67651820");
  EXPECT_EQ(
      ToHex(EncodeAttestationRequest(AsBytes("key"), AsBytes("nonce"), AsBytes("data")).value()),
      "a16b4174746573746174696f6ea369757365725f64617461446461746165"
      "6e6f6e6365456e6f6e63656a7075626c69635f6b6579436b6579");
  EXPECT_EQ(ToHex(EncodeAttestationRequest({}, {}, {}).value()),
            "a16b4174746573746174696f6ea369757365725f64617461f665"
            "6e6f6e6365f66a7075626c69635f6b6579f6");
}

TEST(NsmRequests, RefuseMoreThanTheModuleTakes) {
  EXPECT_EQ(EncodeAttestationRequest(Bytes(4096), {}, {}).error().reason,
            "attestation_argument_too_large");
}

TEST(NsmReplies, AreRead) {
  const NsmDescription description = DecodeDescribeReply(Description().Reply()).value();
  EXPECT_EQ(description.major_version, 1);
  EXPECT_EQ(description.minor_version, 2);
  EXPECT_EQ(description.patch_version, 3);
  EXPECT_EQ(description.module_id, "i-0123-enc4567");
  EXPECT_EQ(description.registers, 32);
  EXPECT_EQ(description.locked.to_ulong(), 0x8007U);
  const Bytes random = {1, 2, 3};
  EXPECT_EQ(DecodeRandomReply(OneField("GetRandom", "random", random))->size(), 3U);
  const NsmRegister found = DecodeDescribeRegisterReply(RegisterReply(true, Bytes(48, 7))).value();
  EXPECT_TRUE(found.locked);
  EXPECT_EQ(found.value[47], 7);
  EXPECT_FALSE(DecodeDescribeRegisterReply(RegisterReply(false, Bytes(48)))->locked);
  EXPECT_EQ((*DecodeExtendReply(OneField("ExtendPCR", "data", Bytes(48, 9))))[0], 9);
  EXPECT_EQ(DecodeAttestationReply(OneField("Attestation", "document", random)).value(), random);
}

TEST(NsmReplies, AreReadWhateverTheFormOfTheirMaps) {
  CborWriter writer;
  writer.IndefiniteMap().Text("DescribePCR").IndefiniteMap().Text("data");
  const Bytes reply =
      writer.ByteString(Bytes(48)).Text("lock").Boolean(true).Break().Break().Finish();
  EXPECT_TRUE(DecodeDescribeRegisterReply(reply)->locked);
}

TEST(NsmReplies, AreRefusedWhereverTheyAreCut) {
  for (const Kind& kind : Kinds()) {
    EXPECT_EQ(kind.decode(kind.reply), "accepted") << kind.name;
    for (size_t size = 0; size < kind.reply.size(); ++size) {
      EXPECT_NE(kind.decode(ByteSpan(kind.reply).first(size)), "accepted") << kind.name << size;
    }
    Bytes longer = kind.reply;
    longer.push_back(0);
    EXPECT_EQ(kind.decode(longer), "cbor_malformed") << kind.name;
  }
}

TEST(NsmReplies, HoldNoBitsThatDontCount) {
  for (const Kind& kind : Kinds()) {
    for (size_t bit = 0; bit < kind.reply.size() * 8; ++bit) {
      Bytes flipped = kind.reply;
      flipped[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
      (void)kind.decode(flipped);  // accepted or not: no crash, no read outside
    }
  }
}

TEST(NsmReplies, ToAnotherRequestAreRefused) {
  for (const Kind& kind : Kinds()) {
    for (const Kind& other : Kinds()) {
      if (kind.name == other.name) continue;
      EXPECT_NE(kind.decode(other.reply), "accepted") << kind.name << " reads " << other.name;
    }
    EXPECT_EQ(kind.decode(CborWriter().Map(0).Finish()), "nsm_reply_invalid") << kind.name;
  }
}

TEST(NsmReplies, ThatAreErrorsSayWhichOne) {
  const Bytes error = CborWriter().Map(1).Text("Error").Text("ReadOnlyIndex\n\x1b[31m").Finish();
  for (const Kind& kind : Kinds()) EXPECT_EQ(kind.decode(error), "nsm_refused") << kind.name;
  EXPECT_EQ(DecodeLockReply(error).error().what,
            "the security module answers: ReadOnlyIndex??[31m");
}

TEST(NsmReplies, HaveEveryFieldOnceAndNoOther) {
  CborWriter twice;
  twice.Map(1).Text("DescribePCR").Map(3).Text("lock").Boolean(true).Text("lock").Boolean(true);
  EXPECT_EQ(ReasonOf(DecodeDescribeRegisterReply(twice.Text("data").ByteString({}).Finish())),
            "nsm_reply_invalid");
  CborWriter missing;
  missing.Map(1).Text("DescribePCR").Map(1).Text("lock").Boolean(true);
  EXPECT_EQ(ReasonOf(DecodeDescribeRegisterReply(missing.Finish())), "nsm_reply_invalid");
  EXPECT_EQ(ReasonOf(DecodeAttestationReply(OneField("Attestation", "random", Bytes(3)))),
            "nsm_reply_invalid");
  CborWriter second;
  second.Map(2).Text("Attestation").Map(1).Text("document").ByteString(Bytes(3));
  EXPECT_EQ(ReasonOf(DecodeAttestationReply(second.Text("Error").Text("").Finish())),
            "nsm_reply_invalid");
}

TEST(NsmReplies, KeepTheirBounds) {
  for (const size_t size : {0, 257}) {
    EXPECT_EQ(ReasonOf(DecodeRandomReply(OneField("GetRandom", "random", Bytes(size)))),
              "nsm_reply_invalid");
  }
  for (const size_t size : {0, 32, 47, 49, 64}) {
    EXPECT_EQ(ReasonOf(DecodeDescribeRegisterReply(RegisterReply(true, Bytes(size)))),
              "nsm_reply_invalid");
    EXPECT_EQ(ReasonOf(DecodeExtendReply(OneField("ExtendPCR", "data", Bytes(size)))),
              "nsm_reply_invalid");
  }
  EXPECT_EQ(ReasonOf(DecodeAttestationReply(OneField("Attestation", "document", {}))),
            "nsm_reply_invalid");
}

TEST(NsmDescription, KeepsItsBounds) {
  EXPECT_EQ(Description().Reason(), "accepted");
  EXPECT_EQ(Description{.major = 65536}.Reason(), "nsm_reply_invalid");
  EXPECT_EQ(Description{.module_id = ""}.Reason(), "nsm_reply_invalid");
  EXPECT_EQ(Description{.module_id = std::string(257, 'x')}.Reason(), "nsm_reply_invalid");
  EXPECT_EQ(Description{.module_id = "a\nb"}.Reason(), "nsm_reply_invalid");
  EXPECT_EQ((Description{.registers = 0, .locked = {}}.Reason()), "nsm_reply_invalid");
  EXPECT_EQ(Description{.registers = 33}.Reason(), "nsm_reply_invalid");
  EXPECT_EQ(Description{.registers = 15}.Reason(), "nsm_reply_invalid");  // 15 is locked
  EXPECT_EQ(Description{.locked = {32}}.Reason(), "nsm_reply_invalid");
  EXPECT_EQ((Description{.locked = {3, 3}}.Reason()), "nsm_reply_invalid");
  EXPECT_EQ(Description{.digest = "SHA256"}.Reason(), "nsm_reply_invalid");
}

}  // namespace
}  // namespace ephemeralml::attest
