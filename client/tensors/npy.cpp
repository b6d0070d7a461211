#include "client/tensors/npy.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "client/tensors/npy_header.h"

namespace ephemeralml::tensors {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;
// NumPy's own headers of plain arrays stay below a few hundred bytes.
constexpr size_t kMaxHeaderBytes = 64 << 10;

Error Malformed(std::string what) {
  return {Code::kMalformed, "npy_malformed", "the .npy " + std::move(what)};
}

struct Parts {
  std::string_view header;
  ByteSpan elements;
};

Result<Parts> Split(ByteSpan file) {
  const size_t fixed = kMagic.size() + 2;
  if (file.size() < fixed || AsText(file.first(kMagic.size())) != kMagic) {
    return Malformed("signature is missing");
  }
  const uint8_t major = file[kMagic.size()];
  if (major < 1 || major > 3 || file[kMagic.size() + 1] != 0) {
    return Error{Code::kUnsupported, "npy_unsupported",
                 "only versions 1.0, 2.0 and 3.0 of the .npy format are known"};
  }
  const size_t width = major == 1 ? 2 : 4;
  if (file.size() < fixed + width) return Malformed("file is cut off in its header");
  size_t length = 0;
  for (size_t i = width; i-- > 0;) length = length << 8 | file[fixed + i];
  const ByteSpan rest = file.subspan(fixed + width);
  if (length > rest.size() || length > kMaxHeaderBytes) {
    return Malformed("header is longer than the file or than " + std::to_string(kMaxHeaderBytes) +
                     " bytes");
  }
  return Parts{AsText(rest.first(length)), rest.subspan(length)};
}

// Copies elements from Fortran order, in which the first index runs fastest, to C order.
void CopyFromFortranOrder(ByteSpan from, MutableByteSpan to, const std::vector<int64_t>& shape,
                          size_t width) {
  std::array<size_t, kMaxRank> strides = {};
  std::array<int64_t, kMaxRank> index = {};
  size_t stride = width;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    strides[axis] = stride;
    stride *= static_cast<size_t>(shape[axis]);
  }
  size_t source = 0;
  for (size_t target = 0; target < to.size(); target += width) {
    std::memcpy(to.data() + target, from.data() + source, width);
    for (size_t axis = shape.size(); axis-- > 0;) {
      source += strides[axis];
      if (++index[axis] < shape[axis]) break;
      source -= strides[axis] * static_cast<size_t>(shape[axis]);
      index[axis] = 0;
    }
  }
}

void ReverseEachElement(MutableByteSpan elements, size_t width) {
  for (size_t at = 0; at < elements.size(); at += width) {
    const MutableByteSpan element = elements.subspan(at, width);
    std::reverse(element.begin(), element.end());
  }
}

}  // namespace

Result<NamedTensor> DecodeNpy(std::string name, ByteSpan file) {
  TRY(const Parts parts, Split(file));
  TRY(NpyHeader header, ParseNpyHeader(parts.header));
  TRY(const size_t bytes, ByteCount(header.type, header.shape));
  if (parts.elements.size() != bytes) {
    return Malformed("file has " + std::to_string(parts.elements.size()) +
                     " bytes of elements; its shape takes " + std::to_string(bytes));
  }
  if (header.type == wire::ElementType::kBool &&
      std::ranges::any_of(parts.elements, [](uint8_t value) { return value > 1; })) {
    return Malformed("file holds booleans that are neither 0 nor 1");
  }
  const size_t width = wire::ElementBytes(header.type);
  SecretBytes data(bytes);
  if (header.fortran_order) {
    CopyFromFortranOrder(parts.elements, data.Fill(), header.shape, width);
  } else {
    std::ranges::copy(parts.elements, data.Fill().begin());
  }
  if (header.big_endian) ReverseEachElement(data.Fill(), width);
  return NamedTensor{std::move(name), header.type, std::move(header.shape), std::move(data)};
}

Result<SecretBytes> EncodeNpy(const NamedTensor& tensor) {
  TRY(std::string header, FormatNpyHeader(tensor.type, tensor.shape));
  TRY(const size_t bytes, ByteCount(tensor.type, tensor.shape));
  CHECK(tensor.data.size() == bytes);
  const size_t fixed = kMagic.size() + 4;
  const size_t whole = (fixed + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  header.resize(whole - fixed - 1, ' ');
  header += '\n';
  std::string prefix(kMagic);
  prefix += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
             static_cast<char>(header.size() >> 8)};
  prefix += header;

  SecretBytes file(prefix.size() + bytes);
  const auto elements = std::ranges::copy(prefix, file.Fill().begin()).out;
  std::ranges::copy(tensor.data.Reveal(), elements);
  return file;
}

}  // namespace ephemeralml::tensors
