#include "common/cose/attestation_document.h"

#include <algorithm>
#include <array>

#include "common/cose/cbor_reader.h"
#include "common/cose/cbor_writer.h"

namespace ephemeralml::cose {
namespace {

constexpr size_t kLongestModuleId = 256;
constexpr size_t kMostPcrs = 32;
constexpr uint64_t kLatestTimestampMs = 253402300799999;  // the last of the year 9999
constexpr std::string_view kDigest = "SHA384";

enum Field : size_t {
  kModuleId,
  kDigestName,
  kTimestamp,
  kPcrs,
  kCertificate,
  kCabundle,
  kPublicKey,
  kUserData,
  kNonce,
  kFieldCount
};
constexpr std::array<std::string_view, kFieldCount> kFieldNames = {
    "module_id", "digest",     "timestamp", "pcrs", "certificate",
    "cabundle",  "public_key", "user_data", "nonce"};
constexpr size_t kMandatoryFields = kPublicKey;  // those before it

Error Invalid(Field field, const char* why) {
  return {Code::kMalformed, "evidence_field_invalid",
          "the evidence's field " + std::string(kFieldNames[field]) + " " + why};
}

Error NamedError(std::string_view reason, std::string_view name, const char* why) {
  return {Code::kMalformed, reason, "the evidence's field " + std::string(name) + why};
}

// Printed to terminals and logs of the client, so nothing but visible ASCII.
bool IsVisible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Result<std::string> ReadModuleId(CborReader& reader) {
  TRY(const std::string_view text, reader.ReadText());
  if (text.empty() || text.size() > kLongestModuleId || !IsVisible(text)) {
    return Invalid(kModuleId, "isn't 1 to 256 visible ASCII characters");
  }
  return std::string(text);
}

Done ReadDigest(CborReader& reader) {
  TRY(const std::string_view text, reader.ReadText());
  if (text != kDigest) {
    return Error{Code::kUnsupported, "evidence_digest_unsupported",
                 "the evidence's PCRs aren't made by SHA384, the only digest that is accepted"};
  }
  return {};
}

Result<uint64_t> ReadTimestamp(CborReader& reader) {
  TRY(const uint64_t timestamp, reader.ReadUnsigned());
  if (timestamp == 0 || timestamp > kLatestTimestampMs) {
    return Invalid(kTimestamp, "isn't a time between 1970 and 9999");
  }
  return timestamp;
}

Result<PcrBank> ReadPcrs(CborReader& reader) {
  PcrBank pcrs;
  TRY(CborContainer map, reader.ReadMap());
  for (;;) {
    TRY(const bool has_next, reader.HasNext(map));
    if (!has_next) break;
    TRY(const uint64_t index, reader.ReadUnsigned());
    if (index >= kMostPcrs) return Invalid(kPcrs, "has an index above 31");
    TRY(const ByteSpan value, reader.ReadByteString());
    if (value.size() != Pcr::kSize) return Invalid(kPcrs, "has a value that isn't 48 bytes");
    const auto [entry, is_new] = pcrs.try_emplace(static_cast<uint8_t>(index));
    if (!is_new) return NamedError("evidence_field_duplicate", "pcrs", " has an index twice");
    std::ranges::copy(value, entry->second.begin());
  }
  if (pcrs.empty()) return Invalid(kPcrs, "is empty");
  return pcrs;
}

Result<Bytes> ReadBounded(CborReader& reader, Field field, size_t limit) {
  TRY(const ByteSpan value, reader.ReadByteString());
  if (value.empty() || value.size() > limit) return Invalid(field, "is empty or too long");
  return Bytes(value.begin(), value.end());
}

Result<std::vector<Bytes>> ReadCabundle(CborReader& reader) {
  std::vector<Bytes> bundle;
  TRY(CborContainer array, reader.ReadArray());
  for (;;) {
    TRY(const bool has_next, reader.HasNext(array));
    if (!has_next) break;
    if (bundle.size() == kMostBundleCertificates) {
      return Invalid(kCabundle, "has more than 8 certificates");
    }
    TRY(Bytes certificate, ReadBounded(reader, kCabundle, kLargestCertificateBytes));
    bundle.push_back(std::move(certificate));
  }
  if (bundle.empty()) return Invalid(kCabundle, "is empty");
  return bundle;
}

Result<std::optional<Bytes>> ReadOptional(CborReader& reader, Field field, size_t least,
                                          size_t limit) {
  TRY(const std::optional<ByteSpan> value, reader.ReadByteStringOrNull());
  if (!value.has_value()) return std::optional<Bytes>();
  if (value->size() < least || value->size() > limit) {
    return Invalid(field, "has a length out of its bounds");
  }
  return std::optional<Bytes>(Bytes(value->begin(), value->end()));
}

Done ReadField(CborReader& reader, size_t field, AttestationDocument& document) {
  switch (field) {
    case kModuleId: {
      TRY(document.module_id, ReadModuleId(reader));
      return {};
    }
    case kDigestName:
      return ReadDigest(reader);
    case kTimestamp: {
      TRY(document.timestamp_ms, ReadTimestamp(reader));
      return {};
    }
    case kPcrs: {
      TRY(document.pcrs, ReadPcrs(reader));
      return {};
    }
    case kCertificate: {
      TRY(document.certificate, ReadBounded(reader, kCertificate, kLargestCertificateBytes));
      return {};
    }
    case kCabundle: {
      TRY(document.cabundle, ReadCabundle(reader));
      return {};
    }
    case kPublicKey: {
      TRY(document.public_key, ReadOptional(reader, kPublicKey, 1, kLargestPublicKeyBytes));
      return {};
    }
    case kUserData: {
      TRY(document.user_data, ReadOptional(reader, kUserData, 0, kLargestUserDataBytes));
      return {};
    }
    case kNonce: {
      TRY(document.nonce, ReadOptional(reader, kNonce, 0, kLargestNonceBytes));
      return {};
    }
    default:
      // The name is a stranger's and stays out of the message.
      return Error{Code::kMalformed, "evidence_field_unknown",
                   "the evidence has a field that this version doesn't know"};
  }
}

void WriteOptional(CborWriter& writer, Field field, const std::optional<Bytes>& value) {
  writer.Text(kFieldNames[field]);
  if (value.has_value()) {
    writer.ByteString(*value);
  } else {
    writer.Null();
  }
}

}  // namespace

bool Pcr::IsZero() const {
  return std::ranges::all_of(*this, [](uint8_t byte) { return byte == 0; });
}

Result<AttestationDocument> DecodeDocument(ByteSpan payload) {
  AttestationDocument document;
  std::array<bool, kFieldCount> seen = {};
  CborReader reader(payload);
  TRY(CborContainer map, reader.ReadMap());
  for (;;) {
    TRY(const bool has_next, reader.HasNext(map));
    if (!has_next) break;
    TRY(const std::string_view name, reader.ReadText());
    const auto field =
        static_cast<size_t>(std::ranges::find(kFieldNames, name) - kFieldNames.begin());
    if (field < kFieldCount && std::exchange(seen[field], true)) {
      return NamedError("evidence_field_duplicate", kFieldNames[field], " stands there twice");
    }
    TRY_OK(ReadField(reader, field, document));
  }
  TRY_OK(reader.ExpectEnd());
  for (size_t field = 0; field < kMandatoryFields; ++field) {
    if (!seen[field]) {
      return NamedError("evidence_field_missing", kFieldNames[field], " is missing");
    }
  }
  return document;
}

Bytes EncodeDocument(const AttestationDocument& document, MapForm form) {
  CborWriter writer;
  if (form == MapForm::kDefinite) {
    writer.Map(kFieldCount);
  } else {
    writer.IndefiniteMap();
  }
  writer.Text(kFieldNames[kModuleId]).Text(document.module_id);
  writer.Text(kFieldNames[kDigestName]).Text(kDigest);
  writer.Text(kFieldNames[kTimestamp]).Unsigned(document.timestamp_ms);
  writer.Text(kFieldNames[kPcrs]).Map(document.pcrs.size());
  for (const auto& [index, value] : document.pcrs) writer.Unsigned(index).ByteString(value);
  writer.Text(kFieldNames[kCertificate]).ByteString(document.certificate);
  writer.Text(kFieldNames[kCabundle]).Array(document.cabundle.size());
  for (const Bytes& certificate : document.cabundle) writer.ByteString(certificate);
  WriteOptional(writer, kPublicKey, document.public_key);
  WriteOptional(writer, kUserData, document.user_data);
  WriteOptional(writer, kNonce, document.nonce);
  if (form == MapForm::kIndefinite) writer.Break();
  return writer.Finish();
}

}  // namespace ephemeralml::cose
