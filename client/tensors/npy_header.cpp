#include "client/tensors/npy_header.h"

#include <array>
#include <charconv>
#include <utility>

#include "client/tensors/tensors.h"

namespace ephemeralml::tensors {
namespace {

using wire::ElementType;

// NumPy's kind and width of an element, without the byte order.
constexpr std::array<std::pair<std::string_view, ElementType>, 12> kCodes = {{
    {"b1", ElementType::kBool},
    {"f2", ElementType::kFloat16},
    {"f4", ElementType::kFloat},
    {"f8", ElementType::kDouble},
    {"i1", ElementType::kInt8},
    {"i2", ElementType::kInt16},
    {"i4", ElementType::kInt32},
    {"i8", ElementType::kInt64},
    {"u1", ElementType::kUint8},
    {"u2", ElementType::kUint16},
    {"u4", ElementType::kUint32},
    {"u8", ElementType::kUint64},
}};

Error Malformed(std::string what) {
  return {Code::kMalformed, "npy_malformed", "the .npy header " + std::move(what)};
}

// Reads Python literals from the front of a text.
class LiteralReader {
 public:
  explicit LiteralReader(std::string_view text) : rest_(text) {}

  // Whether the next character is `wanted`; if so, passes it.
  bool Take(char wanted) {
    SkipSpaces();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  Done Expect(char wanted) {
    if (Take(wanted)) return {};
    return Malformed(std::string("lacks a '") + wanted + "'");
  }

  Result<std::string_view> ReadString() {
    SkipSpaces();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    if (quote != '\'' && quote != '"') return Malformed("lacks a quoted string");
    const size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return Malformed("has a string without an end");
    const std::string_view value = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return value;
  }

  Result<bool> ReadBool() {
    SkipSpaces();
    for (const auto& [text, value] : {std::pair{"True", true}, std::pair{"False", false}}) {
      if (rest_.starts_with(text)) {
        rest_.remove_prefix(std::string_view(text).size());
        return value;
      }
    }
    return Malformed("lacks a True or False");
  }

  Result<int64_t> ReadSize() {
    SkipSpaces();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value < 0) return Malformed("has a size that isn't one");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    // Python 2 wrote long integers with this suffix.
    (void)Take('L');
    return value;
  }

  Result<std::vector<int64_t>> ReadShape() {
    TRY_OK(Expect('('));
    std::vector<int64_t> shape;
    bool comma = true;
    while (!Take(')')) {
      if (!comma) return Malformed("lacks a comma in its shape");
      if (shape.size() == kMaxRank) {
        return Error{Code::kOverLimit, "tensor_over_limit",
                     "an array has more than " + std::to_string(kMaxRank) + " dimensions"};
      }
      TRY(const int64_t size, ReadSize());
      shape.push_back(size);
      comma = Take(',');
    }
    // "(5)" is a number in Python, not a shape.
    if (shape.size() == 1 && !comma) return Malformed("has a shape that isn't a tuple");
    return shape;
  }

  bool AtEnd() {
    SkipSpaces();
    return rest_.empty();
  }

 private:
  void SkipSpaces() {
    const size_t count = rest_.find_first_not_of(" \n");
    rest_.remove_prefix(count == std::string_view::npos ? rest_.size() : count);
  }

  std::string_view rest_;
};

Done ReadElementType(LiteralReader& reader, NpyHeader& header) {
  if (reader.Take('[')) {
    return Error{Code::kUnsupported, "npy_unsupported",
                 "arrays of records aren't tensors; store each field as an array of its own"};
  }
  TRY(const std::string_view descr, reader.ReadString());
  if (descr.size() == 3 && std::string_view("<>|").find(descr[0]) != std::string_view::npos) {
    for (const auto& [code, type] : kCodes) {
      const bool has_byte_order = descr[0] != '|' || wire::ElementBytes(type) == 1;
      if (descr.substr(1) == code && has_byte_order) {
        header.type = type;
        header.big_endian = descr[0] == '>';
        return {};
      }
    }
  }
  return Error{Code::kUnsupported, "npy_unsupported",
               "arrays of NumPy type '" + std::string(descr.substr(0, 16)) +
                   "' aren't supported; convert to a plain number type"};
}

}  // namespace

Result<NpyHeader> ParseNpyHeader(std::string_view text) {
  LiteralReader reader(text);
  NpyHeader header;
  bool has_type = false;
  bool has_order = false;
  bool has_shape = false;
  bool comma = true;
  TRY_OK(reader.Expect('{'));
  while (!reader.Take('}')) {
    if (!comma) return Malformed("lacks a comma");
    TRY(const std::string_view key, reader.ReadString());
    TRY_OK(reader.Expect(':'));
    if (key == "descr" && !std::exchange(has_type, true)) {
      TRY_OK(ReadElementType(reader, header));
    } else if (key == "fortran_order" && !std::exchange(has_order, true)) {
      TRY(header.fortran_order, reader.ReadBool());
    } else if (key == "shape" && !std::exchange(has_shape, true)) {
      TRY(header.shape, reader.ReadShape());
    } else {
      return Malformed("has a key that is unknown or comes twice");
    }
    comma = reader.Take(',');
  }
  if (!has_type || !has_order || !has_shape) return Malformed("lacks one of its three keys");
  if (!reader.AtEnd()) return Malformed("goes on after its dictionary");
  return header;
}

Result<std::string> FormatNpyHeader(ElementType type, const std::vector<int64_t>& shape) {
  for (const auto& [code, known] : kCodes) {
    if (known != type) continue;
    const char order = wire::ElementBytes(type) == 1 ? '|' : '<';
    std::string text = std::string("{'descr': '") + order + std::string(code) +
                       "', 'fortran_order': False, 'shape': (";
    for (size_t i = 0; i < shape.size(); ++i) {
      if (i > 0) text += ", ";
      text += std::to_string(shape[i]);
    }
    text += shape.size() == 1 ? ",), }" : "), }";
    return text;
  }
  return Error{Code::kUnsupported, "npy_unsupported",
               "NumPy has no " + std::string(wire::Name(type)) + "; write .json"};
}

}  // namespace ephemeralml::tensors
