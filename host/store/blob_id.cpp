#include "host/store/blob_id.h"

#include <algorithm>

namespace ephemeralml::store {
namespace {

bool IsLowerHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

Result<BlobId> BlobId::Parse(std::string_view text) {
  if (text.size() != kDigits || !std::ranges::all_of(text, IsLowerHex)) {
    return Error{Code::kMalformed, "blob_id_malformed",
                 "a blob id has exactly 32 lower-case hexadecimal digits"};
  }
  BlobId id;
  std::ranges::copy(text, id.digits_.begin());
  return id;
}

}  // namespace ephemeralml::store
