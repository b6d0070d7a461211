#include "enclave/attest/nsm_messages.h"

#include <string>

#include "common/cose/cbor_reader.h"
#include "common/cose/cbor_writer.h"

namespace ephemeralml::attest {
namespace {

Error Refused(const std::string& what) { return {Code::kIo, "nsm_refused", what}; }

void WriteField(cose::CborWriter& writer, std::string_view name, ByteSpan value) {
  writer.Text(name);
  if (value.empty()) {
    writer.Null();
  } else {
    writer.ByteString(value);
  }
}

// The reply's maps have one entry each.
Done EnterMap(cose::CborReader& reader, cose::CborContainer& map) {
  TRY(const bool has_entry, reader.HasNext(map));
  if (!has_entry) return Refused("the security module's reply is empty");
  return {};
}

Done LeaveMap(cose::CborReader& reader, cose::CborContainer& map) {
  TRY(const bool has_entry, reader.HasNext(map));
  if (has_entry) return Refused("the security module's reply holds more than a document");
  return {};
}

}  // namespace

Result<Bytes> EncodeAttestationRequest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data) {
  cose::CborWriter writer;
  writer.Map(1).Text("Attestation").Map(3);
  WriteField(writer, "user_data", user_data);
  WriteField(writer, "nonce", nonce);
  WriteField(writer, "public_key", public_key);
  Bytes request = writer.Finish();
  if (request.size() > kLargestNsmRequestBytes) {
    return Error{Code::kInvalidArgument, "attestation_argument_too_large",
                 "key, nonce and user data exceed what the security module takes"};
  }
  return request;
}

Result<Bytes> DecodeAttestationReply(ByteSpan reply) {
  cose::CborReader reader(reply);
  TRY(cose::CborContainer outer, reader.ReadMap());
  TRY_OK(EnterMap(reader, outer));
  TRY(const std::string_view kind, reader.ReadText());
  if (kind == "Error") {
    TRY(const std::string_view why, reader.ReadText());
    return Refused("the security module answers: " + std::string(why.substr(0, 64)));
  }
  if (kind != "Attestation") return Refused("the security module answers another request");
  TRY(cose::CborContainer inner, reader.ReadMap());
  TRY_OK(EnterMap(reader, inner));
  TRY(const std::string_view name, reader.ReadText());
  if (name != "document") return Refused("the security module's reply holds no document");
  TRY(const ByteSpan document, reader.ReadByteString());
  TRY_OK(LeaveMap(reader, inner));
  TRY_OK(LeaveMap(reader, outer));
  TRY_OK(reader.ExpectEnd());
  return Bytes(document.begin(), document.end());
}

}  // namespace ephemeralml::attest
