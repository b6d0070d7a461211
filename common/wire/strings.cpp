#include "common/wire/strings.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/base/checked.h"

namespace ephemeralml::wire {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr size_t kEndBytes = sizeof(uint64_t);

Error Malformed() {
  return {Code::kMalformed, "strings_malformed", "a tensor of strings isn't laid out as one"};
}

}  // namespace

Result<size_t> EncodedSize(std::span<const std::string_view> elements) {
  TRY(size_t size, CheckedMultiply(elements.size(), kEndBytes));
  for (const std::string_view element : elements) {
    TRY(size, CheckedAdd(size, element.size()));
  }
  return size;
}

void EncodeStrings(std::span<const std::string_view> elements, MutableByteSpan bytes) {
  const size_t text = elements.size() * kEndBytes;
  uint64_t end = 0;
  for (size_t i = 0; i < elements.size(); ++i) {
    std::ranges::copy(AsBytes(elements[i]), bytes.subspan(text + end).begin());
    end += elements[i].size();
    std::memcpy(bytes.data() + i * kEndBytes, &end, kEndBytes);
  }
}

Bytes EncodeStrings(std::span<const std::string_view> elements) {
  const Result<size_t> size = EncodedSize(elements);
  CHECK(size.has_value());
  Bytes bytes(*size);
  EncodeStrings(elements, bytes);
  return bytes;
}

Result<std::vector<std::string_view>> DecodeStrings(ByteSpan bytes, size_t count) {
  if (count > bytes.size() / kEndBytes) return Malformed();
  const std::string_view text = AsText(bytes.subspan(count * kEndBytes));
  std::vector<std::string_view> elements;
  elements.reserve(count);
  uint64_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    uint64_t end = 0;
    std::memcpy(&end, bytes.data() + i * kEndBytes, kEndBytes);
    if (end < begin || end > text.size()) return Malformed();
    elements.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  if (begin != text.size()) return Malformed();
  return elements;
}

}  // namespace ephemeralml::wire
