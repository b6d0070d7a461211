#include "enclave/attest/nsm_messages.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "common/cose/cbor_reader.h"
#include "common/cose/cbor_writer.h"

namespace ephemeralml::attest {
namespace {

using cose::CborContainer;
using cose::CborReader;
using cose::CborWriter;

constexpr size_t kLargestRandomBytes = 256;
constexpr size_t kLongestModuleId = 256;

Error Invalid(const std::string& what) {
  return {Code::kIo, "nsm_reply_invalid", "the security module's reply " + what};
}

// What the module says is hostile, and may end in a log.
std::string Printable(std::string_view text) {
  constexpr size_t kLongest = 64;
  std::string printable(text.substr(0, kLongest));
  std::ranges::replace_if(
      printable, [](char c) { return c < ' ' || c > '~'; }, '?');
  return printable;
}

// A reply is {kind: {field: value, ...}}. Fields come in any order, each once.
class ReplyReader {
 public:
  static Result<ReplyReader> Open(ByteSpan reply, std::string_view kind) {
    CborReader reader(reply);
    TRY(CborContainer outer, reader.ReadMap());
    TRY(const bool has_entry, reader.HasNext(outer));
    if (!has_entry) return Invalid("is empty");
    TRY(const std::string_view answered, reader.ReadText());
    if (answered == "Error") {
      TRY(const std::string_view why, reader.ReadText());
      return Error{Code::kIo, "nsm_refused", "the security module answers: " + Printable(why)};
    }
    if (answered != kind) return Invalid("is to another request");
    TRY(CborContainer fields, reader.ReadMap());
    return ReplyReader(reader, outer, fields);
  }

  // Calls `read(reader, i)` for the field `names[i]`, whichever comes.
  template <class Read>
  Done ReadFields(std::span<const std::string_view> names, Read read) {
    std::bitset<8> seen;
    CHECK(names.size() <= seen.size());
    for (;;) {
      TRY(const bool has_field, reader_.HasNext(fields_));
      if (!has_field) break;
      TRY(const std::string_view name, reader_.ReadText());
      const auto index = static_cast<size_t>(std::ranges::find(names, name) - names.begin());
      if (index == names.size()) return Invalid("has an unknown field");
      if (seen.test(index)) return Invalid("has a field twice");
      seen.set(index);
      TRY_OK(read(reader_, index));
    }
    if (seen.count() != names.size()) return Invalid("lacks a field");
    return End();
  }

 private:
  ReplyReader(CborReader reader, CborContainer outer, CborContainer fields)
      : reader_(reader), outer_(outer), fields_(fields) {}

  Done End() {
    TRY(const bool has_entry, reader_.HasNext(outer_));
    if (has_entry) return Invalid("has more than one answer");
    return reader_.ExpectEnd();
  }

  CborReader reader_;
  CborContainer outer_;
  CborContainer fields_;
};

Done ReadShort(CborReader& reader, uint16_t& out) {
  TRY(const uint64_t number, reader.ReadUnsigned());
  if (number > UINT16_MAX) return Invalid("has a number that is too large");
  out = static_cast<uint16_t>(number);
  return {};
}

Done ReadModuleId(CborReader& reader, std::string& out) {
  TRY(const std::string_view text, reader.ReadText());
  if (text.empty() || text.size() > kLongestModuleId || Printable(text) != text.substr(0, 64)) {
    return Invalid("has no proper name of a module");
  }
  out = text;
  return {};
}

Done ReadLocked(CborReader& reader, std::bitset<kMostNsmRegisters>& out) {
  TRY(CborContainer indices, reader.ReadArray());
  for (;;) {
    TRY(const bool has_index, reader.HasNext(indices));
    if (!has_index) return {};
    TRY(const uint64_t index, reader.ReadUnsigned());
    if (index >= out.size() || out.test(index)) return Invalid("locks a register that isn't there");
    out.set(index);
  }
}

Done ReadDigest(CborReader& reader) {
  TRY(const std::string_view digest, reader.ReadText());
  if (digest != "SHA384") return Invalid("is of another digest than SHA384");
  return {};
}

Done ReadValue(CborReader& reader, cose::Pcr& out) {
  TRY(const ByteSpan value, reader.ReadByteString());
  if (value.size() != out.size()) return Invalid("has a register of another size");
  std::ranges::copy(value, out.begin());
  return {};
}

// The one field of a reply, whose byte string has `least` to `most` bytes.
Result<ByteSpan> DecodeByteString(ByteSpan reply, std::string_view kind, std::string_view field,
                                  size_t most) {
  TRY(ReplyReader reader, ReplyReader::Open(reply, kind));
  ByteSpan contents;
  TRY_OK(reader.ReadFields({&field, 1}, [&](CborReader& value, size_t) -> Done {
    TRY(contents, value.ReadByteString());
    if (contents.empty() || contents.size() > most) return Invalid("is empty or too large");
    return {};
  }));
  return contents;
}

void WriteOptional(CborWriter& writer, std::string_view name, ByteSpan value) {
  writer.Text(name);
  if (value.empty()) {
    writer.Null();
  } else {
    writer.ByteString(value);
  }
}

}  // namespace

Bytes EncodeDescribeRequest() { return CborWriter().Text("DescribeNSM").Finish(); }

Bytes EncodeRandomRequest() { return CborWriter().Text("GetRandom").Finish(); }

Bytes EncodeDescribeRegisterRequest(uint16_t index) {
  return CborWriter().Map(1).Text("DescribePCR").Map(1).Text("index").Unsigned(index).Finish();
}

Bytes EncodeExtendRequest(uint16_t index, ByteSpan data) {
  CborWriter writer;
  writer.Map(1).Text("ExtendPCR").Map(2).Text("index").Unsigned(index);
  return writer.Text("data").ByteString(data).Finish();
}

Bytes EncodeLockRequest(uint16_t count) {
  return CborWriter().Map(1).Text("LockPCRs").Map(1).Text("range").Unsigned(count).Finish();
}

Result<Bytes> EncodeAttestationRequest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data) {
  CborWriter writer;
  writer.Map(1).Text("Attestation").Map(3);
  WriteOptional(writer, "user_data", user_data);
  WriteOptional(writer, "nonce", nonce);
  WriteOptional(writer, "public_key", public_key);
  Bytes request = writer.Finish();
  if (request.size() > kLargestNsmRequestBytes) {
    return Error{Code::kInvalidArgument, "attestation_argument_too_large",
                 "key, nonce and user data exceed what the security module takes"};
  }
  return request;
}

Result<NsmDescription> DecodeDescribeReply(ByteSpan reply) {
  static constexpr std::array<std::string_view, 7> kFields = {
      "version_major", "version_minor", "version_patch", "module_id",
      "max_pcrs",      "locked_pcrs",   "digest"};
  TRY(ReplyReader reader, ReplyReader::Open(reply, "DescribeNSM"));
  NsmDescription description;
  TRY_OK(reader.ReadFields(kFields, [&](CborReader& value, size_t field) -> Done {
    switch (field) {
      case 0:
        return ReadShort(value, description.major_version);
      case 1:
        return ReadShort(value, description.minor_version);
      case 2:
        return ReadShort(value, description.patch_version);
      case 3:
        return ReadModuleId(value, description.module_id);
      case 4:
        return ReadShort(value, description.registers);
      case 5:
        return ReadLocked(value, description.locked);
      default:
        return ReadDigest(value);
    }
  }));
  if (description.registers == 0 || description.registers > kMostNsmRegisters ||
      (description.locked >> description.registers).any()) {
    return Invalid("has an impossible number of registers");
  }
  return description;
}

Result<SecretBytes> DecodeRandomReply(ByteSpan reply) {
  TRY(const ByteSpan random, DecodeByteString(reply, "GetRandom", "random", kLargestRandomBytes));
  return SecretBytes::CopyOf(random);
}

Result<NsmRegister> DecodeDescribeRegisterReply(ByteSpan reply) {
  static constexpr std::array<std::string_view, 2> kFields = {"lock", "data"};
  TRY(ReplyReader reader, ReplyReader::Open(reply, "DescribePCR"));
  NsmRegister found;
  TRY_OK(reader.ReadFields(kFields, [&](CborReader& value, size_t field) -> Done {
    if (field == 1) return ReadValue(value, found.value);
    TRY(found.locked, value.ReadBoolean());
    return {};
  }));
  return found;
}

Result<cose::Pcr> DecodeExtendReply(ByteSpan reply) {
  static constexpr std::array<std::string_view, 1> kFields = {"data"};
  TRY(ReplyReader reader, ReplyReader::Open(reply, "ExtendPCR"));
  cose::Pcr value;
  TRY_OK(reader.ReadFields(
      kFields, [&](CborReader& field, size_t) -> Done { return ReadValue(field, value); }));
  return value;
}

Done DecodeLockReply(ByteSpan reply) {
  CborReader reader(reply);
  // The one reply that is no map, unless it is an error.
  if (const auto kind = reader.ReadText()) {
    if (*kind != "LockPCRs") return Invalid("is to another request");
    return reader.ExpectEnd();
  }
  const auto refusal = ReplyReader::Open(reply, "Error");
  return refusal ? Invalid("is to another request") : refusal.error();
}

Result<Bytes> DecodeAttestationReply(ByteSpan reply) {
  TRY(const ByteSpan document,
      DecodeByteString(reply, "Attestation", "document", kLargestNsmReplyBytes));
  return Bytes(document.begin(), document.end());
}

}  // namespace ephemeralml::attest
