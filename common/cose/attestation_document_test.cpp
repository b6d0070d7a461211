#include "common/cose/attestation_document.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/cose/cbor_writer.h"

namespace ephemeralml::cose {
namespace {

AttestationDocument Sample() {
  AttestationDocument document;
  document.module_id = "i-0123-enc4567";
  document.timestamp_ms = 1'665'651'482'136;
  for (uint8_t index = 0; index < 16; ++index) document.pcrs[index].fill(index);
  document.certificate = Bytes(639, 1);
  document.cabundle = {Bytes(533, 2), Bytes(706, 3), Bytes(792, 4), Bytes(644, 5)};
  document.public_key = Bytes(91, 6);
  document.user_data = Bytes(33, 7);
  document.nonce = Bytes(32, 8);
  return document;
}

std::string_view Reason(ByteSpan payload) { return DecodeDocument(payload).error().reason; }

std::string_view ReasonAfter(const std::function<void(AttestationDocument&)>& change) {
  AttestationDocument document = Sample();
  change(document);
  return Reason(EncodeDocument(document, MapForm::kDefinite));
}

// A definite map of Sample's mandatory fields in which one value, or one whole entry, is another.
Bytes WithField(std::string_view name, const std::function<void(CborWriter&)>& write,
                size_t extra = 0) {
  CborWriter writer;
  writer.Map(6 + extra);
  const auto field = [&](std::string_view own, const std::function<void(CborWriter&)>& usual) {
    writer.Text(own);
    (own == name ? write : usual)(writer);
  };
  field("module_id", [](CborWriter& out) { out.Text("m"); });
  field("digest", [](CborWriter& out) { out.Text("SHA384"); });
  field("timestamp", [](CborWriter& out) { out.Unsigned(1); });
  field("pcrs", [](CborWriter& out) { out.Map(1).Unsigned(0).ByteString(Bytes(48)); });
  field("certificate", [](CborWriter& out) { out.ByteString(Bytes(9)); });
  field("cabundle", [](CborWriter& out) { out.Array(1).ByteString(Bytes(9)); });
  if (extra > 0) {
    writer.Text(name);
    write(writer);
  }
  return writer.Finish();
}

TEST(AttestationDocument, RoundTripsBothMapForms) {
  for (const MapForm form : {MapForm::kDefinite, MapForm::kIndefinite}) {
    const AttestationDocument decoded = DecodeDocument(EncodeDocument(Sample(), form)).value();
    EXPECT_EQ(decoded.module_id, Sample().module_id);
    EXPECT_EQ(decoded.timestamp_ms, Sample().timestamp_ms);
    EXPECT_EQ(decoded.pcrs, Sample().pcrs);
    EXPECT_EQ(decoded.certificate, Sample().certificate);
    EXPECT_EQ(decoded.cabundle, Sample().cabundle);
    EXPECT_EQ(decoded.public_key, Sample().public_key);
    EXPECT_EQ(decoded.user_data, Sample().user_data);
    EXPECT_EQ(decoded.nonce, Sample().nonce);
  }
}

TEST(AttestationDocument, TakesNullAndAbsentOptionalsAsAbsent) {
  AttestationDocument document = Sample();
  document.public_key.reset();
  document.user_data.reset();
  document.nonce.reset();
  for (const Bytes& payload : {EncodeDocument(document, MapForm::kDefinite),
                               WithField("digest", [](CborWriter& out) { out.Text("SHA384"); })}) {
    const AttestationDocument decoded = DecodeDocument(payload).value();
    EXPECT_FALSE(decoded.public_key || decoded.user_data || decoded.nonce);
  }
}

TEST(AttestationDocument, TakesInnerContainersOfIndefiniteLength) {
  EXPECT_TRUE(DecodeDocument(WithField("pcrs", [](CborWriter& out) {
    out.IndefiniteMap().Unsigned(0).ByteString(Bytes(48)).Break();
  })));
}

TEST(AttestationDocument, RefusesTruncationAtEveryByteAndTrailingBytes) {
  for (const MapForm form : {MapForm::kDefinite, MapForm::kIndefinite}) {
    Bytes payload = EncodeDocument(Sample(), form);
    for (size_t size = 0; size < payload.size(); ++size) {
      EXPECT_EQ(Reason(ByteSpan(payload).first(size)), "cbor_malformed") << size;
    }
    payload.push_back(0xff);
    EXPECT_EQ(Reason(payload), "cbor_malformed");
  }
}

TEST(AttestationDocument, SurvivesEveryBitFlip) {
  const Bytes payload = EncodeDocument(Sample(), MapForm::kIndefinite);
  for (size_t bit = 0; bit < payload.size() * 8; ++bit) {
    Bytes flipped = payload;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto decoded = DecodeDocument(flipped);
    if (!decoded) {
      EXPECT_FALSE(decoded.error().reason.empty());
    }
  }
}

TEST(AttestationDocument, RefusesEachMandatoryFieldMissing) {
  const Bytes empty = CborWriter().Map(0).Finish();
  EXPECT_EQ(Reason(empty), "evidence_field_missing");
  Bytes without_bundle = WithField("cabundle", [](CborWriter&) {});
  without_bundle[0] = 0xa5;
  without_bundle.resize(without_bundle.size() - sizeof "cabundle");
  EXPECT_EQ(Reason(without_bundle), "evidence_field_missing");
}

TEST(AttestationDocument, RefusesDuplicateFieldsAndRegisters) {
  EXPECT_EQ(Reason(WithField(
                "timestamp", [](CborWriter& out) { out.Unsigned(1); }, 1)),
            "evidence_field_duplicate");
  EXPECT_EQ(Reason(WithField("pcrs",
                             [](CborWriter& out) {
                               out.Map(2).Unsigned(0).ByteString(Bytes(48)).Unsigned(0).ByteString(
                                   Bytes(48));
                             })),
            "evidence_field_duplicate");
}

TEST(AttestationDocument, RefusesUnknownFields) {
  EXPECT_EQ(Reason(WithField(
                "debug", [](CborWriter& out) { out.Unsigned(1); }, 1)),
            "evidence_field_unknown");
}

TEST(AttestationDocument, RefusesWrongTypes) {
  for (const char* name : {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"}) {
    EXPECT_EQ(Reason(WithField(name, [](CborWriter& out) { out.Null(); })), "cbor_type_unexpected");
  }
  for (const char* name : {"public_key", "user_data", "nonce"}) {
    EXPECT_EQ(Reason(WithField(
                  name, [](CborWriter& out) { out.Text("x"); }, 1)),
              "cbor_type_unexpected");
  }
}

TEST(AttestationDocument, RefusesOtherDigests) {
  EXPECT_EQ(Reason(WithField("digest", [](CborWriter& out) { out.Text("SHA256"); })),
            "evidence_digest_unsupported");
}

TEST(AttestationDocument, RefusesValuesOutOfBounds) {
  using Document = AttestationDocument;
  const std::function<void(Document&)> changes[] = {
      [](Document& d) { d.module_id = ""; },
      [](Document& d) { d.module_id = std::string(257, 'x'); },
      [](Document& d) { d.module_id = "\x1b[2J"; },
      [](Document& d) { d.timestamp_ms = 0; },
      [](Document& d) { d.timestamp_ms = UINT64_MAX; },
      [](Document& d) { d.pcrs.clear(); },
      [](Document& d) { d.pcrs[32] = {}; },
      [](Document& d) { d.certificate = {}; },
      [](Document& d) { d.certificate = Bytes(kLargestCertificateBytes + 1); },
      [](Document& d) { d.cabundle = {}; },
      [](Document& d) { d.cabundle = std::vector<Bytes>(9, Bytes(1)); },
      [](Document& d) { d.cabundle[1] = {}; },
      [](Document& d) { d.cabundle[1] = Bytes(kLargestCertificateBytes + 1); },
      [](Document& d) { d.public_key = Bytes(); },
      [](Document& d) { d.public_key = Bytes(kLargestPublicKeyBytes + 1); },
      [](Document& d) { d.user_data = Bytes(kLargestUserDataBytes + 1); },
      [](Document& d) { d.nonce = Bytes(kLargestNonceBytes + 1); },
  };
  for (const auto& change : changes) EXPECT_EQ(ReasonAfter(change), "evidence_field_invalid");
  EXPECT_EQ(Reason(WithField(
                "pcrs", [](CborWriter& out) { out.Map(1).Unsigned(0).ByteString(Bytes(32)); })),
            "evidence_field_invalid");
}

TEST(Pcr, KnowsItsZero) {
  Pcr pcr = {};
  EXPECT_TRUE(pcr.IsZero());
  pcr[47] = 1;
  EXPECT_FALSE(pcr.IsZero());
}

}  // namespace
}  // namespace ephemeralml::cose
