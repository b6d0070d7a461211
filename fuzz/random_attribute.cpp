#include "fuzz/random_attribute.h"

#include <algorithm>
#include <cstring>

#include "common/wire/data_type.h"
#include "common/wire/strings.h"

namespace ephemeralml::fuzz {
namespace {

struct Names {
  std::string_view op;
  std::string_view names;
};
constexpr auto kOfOperators = std::to_array<Names>({
#define OPERATOR_ATTRIBUTES(op, names) {op, names},
#define ATTRIBUTE_TYPE(type, names)
#include "fuzz/operator_attributes.inc"
#undef OPERATOR_ATTRIBUTES
#undef ATTRIBUTE_TYPE
});
static_assert(std::ranges::is_sorted(kOfOperators, {}, &Names::op));

struct TypeOfNames {
  wire::Attribute::ValueCase type;
  std::string_view names;
};
constexpr auto kTypes = std::to_array<TypeOfNames>({
#define OPERATOR_ATTRIBUTES(op, names)
#define ATTRIBUTE_TYPE(type, names) {type, names},
#include "fuzz/operator_attributes.inc"
#undef OPERATOR_ATTRIBUTES
#undef ATTRIBUTE_TYPE
});

constexpr auto kWords = std::to_array<std::string_view>({"NOTSET",
                                                         "VALID",
                                                         "SAME_UPPER",
                                                         "SAME_LOWER",
                                                         "constant",
                                                         "reflect",
                                                         "edge",
                                                         "wrap",
                                                         "linear",
                                                         "nearest",
                                                         "cubic",
                                                         "bilinear",
                                                         "bicubic",
                                                         "half_pixel",
                                                         "align_corners",
                                                         "none",
                                                         "sum",
                                                         "mean",
                                                         "add",
                                                         "mul",
                                                         "min",
                                                         "max",
                                                         "avg",
                                                         "forward",
                                                         "reverse",
                                                         "Sigmoid",
                                                         "bidirectional",
                                                         "Tanh",
                                                         "Relu",
                                                         "Affine",
                                                         "LeakyRelu",
                                                         "HardSigmoid",
                                                         "Gelu",
                                                         "tanh",
                                                         "DCR",
                                                         "CRD",
                                                         "LEFT",
                                                         "RIGHT",
                                                         "tf_crop_and_resize",
                                                         "asymmetric",
                                                         "floor",
                                                         "ceil",
                                                         "not_larger",
                                                         "round_prefer_ceil",
                                                         "not_smaller",
                                                         "stretch",
                                                         "zeros",
                                                         "border",
                                                         "reflection",
                                                         "LOWER",
                                                         "UPPER",
                                                         "TF",
                                                         "IDF",
                                                         "TFIDF",
                                                         "ThresholdedRelu",
                                                         "Softplus",
                                                         "ScaledTanh",
                                                         "Elu",
                                                         "Softsign",
                                                         "pytorch_half_pixel",
                                                         "Clip",
                                                         "HardSwish",
                                                         "half_pixel_symmetric"});
constexpr auto kEquations = std::to_array<std::string_view>(
    {"ij,jk->ik", "...ij,...jk->...ik", "ii->i", "i,i->", "ij->ji", "abc,abd->cd", "...->...",
     "ij,kl", "bhqd,bhkd->bhqk", "i...,...j"});

bool IsAmong(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const size_t end = std::min(names.find(' '), names.size());
    if (names.substr(0, end) == name) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

wire::Attribute::ValueCase TypeOf(std::string_view name) {
  const auto found =
      std::ranges::find_if(kTypes, [&](const auto& type) { return IsAmong(type.names, name); });
  return found == kTypes.end() ? wire::Attribute::kI : found->type;
}

std::string Word(std::string_view name, ByteSource& source) {
  if (name == "equation") {
    if (source.Chance(160)) return std::string(source.Of(kEquations));
    static constexpr std::string_view kLetters = "ijkabIJ.,->  ";
    std::string equation(source.Below(16), 'i');
    for (char& letter : equation) letter = source.Of(kLetters);
    return equation;
  }
  return source.Chance(20) ? source.Text(6) : std::string(source.Of(kWords));
}

int64_t Number(std::string_view name, ByteSource& source) {
  const bool is_type = name == "to" || name.ends_with("dtype") || name.ends_with("type");
  return is_type ? static_cast<int64_t>(source.Below(18)) : source.Integer();
}

template <class T, class Make>
std::string Elements(size_t count, Make make) {
  std::string bytes(count * sizeof(T), '\0');
  for (size_t i = 0; i < count; ++i) {
    const T value = static_cast<T>(make());
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

std::string TextElements(size_t count, ByteSource& source) {
  std::vector<std::string> texts(count);
  for (std::string& text : texts) text = source.Text(5);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return std::string(AsText(wire::EncodeStrings(views)));
}

}  // namespace

std::vector<std::string_view> AttributesOf(std::string_view op) {
  const auto found = std::ranges::lower_bound(kOfOperators, op, {}, &Names::op);
  std::vector<std::string_view> names;
  if (found == kOfOperators.end() || found->op != op) return names;
  for (std::string_view rest = found->names; !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    names.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return names;
}

std::string MakeElements(wire::DataType type, size_t count, ByteSource& source) {
  const auto integer = [&] { return source.Integer(); };
  switch (type) {
    case wire::STRING:
      return TextElements(count, source);
    case wire::FLOAT:
      return Elements<float>(count, [&] { return source.Real(); });
    case wire::DOUBLE:
      return Elements<double>(count, [&] { return source.Real(); });
    case wire::INT64:
    case wire::UINT64:
      return Elements<int64_t>(count, integer);
    case wire::INT32:
    case wire::UINT32:
      return Elements<int32_t>(count, integer);
    case wire::BOOL:
      return Elements<uint8_t>(count, [&] { return source.Byte() % 2; });
    default: {
      const size_t width = wire::ElementBytes(wire::ElementTypeFromNumber(type));
      return Elements<uint8_t>(count * width, [&] { return source.Byte(); });
    }
  }
}

bool MakeAttribute(std::string_view name, ByteSource& source, wire::Attribute& attribute) {
  attribute.set_name(std::string(name));
  wire::Attribute::ValueCase type = TypeOf(name);
  if (name == "value" && source.Chance(128)) type = wire::Attribute::kTensor;
  if (source.Chance(4)) type = static_cast<wire::Attribute::ValueCase>(2 + source.Below(8));
  switch (type) {
    case wire::Attribute::kF:
      attribute.set_f(source.Real());
      return true;
    case wire::Attribute::kS:
      attribute.set_s(Word(name, source));
      return true;
    case wire::Attribute::kTensor: {
      wire::InlineTensor& tensor = *attribute.mutable_tensor();
      tensor.set_type(static_cast<wire::DataType>(source.Below(wire::DataType_ARRAYSIZE)));
      if (!wire::DataType_IsValid(tensor.type())) tensor.set_type(wire::FLOAT);
      if (source.Chance(200)) tensor.add_dims(1);
      tensor.set_data(MakeElements(tensor.type(), 1, source));
      return true;
    }
    case wire::Attribute::kGraph:
      return false;
    case wire::Attribute::kFloats:
      for (size_t i = source.Below(6); i > 0; --i) {
        attribute.mutable_floats()->add_values(source.Real());
      }
      return true;
    case wire::Attribute::kInts: {
      const std::vector<int64_t> numbers = source.Integers(6);
      attribute.mutable_ints()->mutable_values()->Add(numbers.begin(), numbers.end());
      return true;
    }
    case wire::Attribute::kStrings:
      for (size_t i = source.Below(5); i > 0; --i) {
        attribute.mutable_strings()->add_values(Word(name, source));
      }
      return true;
    default:
      attribute.set_i(Number(name, source));
      return true;
  }
}

}  // namespace ephemeralml::fuzz
