#include "enclave/engine/match_inputs.h"

#include <algorithm>
#include <map>

namespace ephemeralml::engine {
namespace {

// Sizes that symbols have in this request.
using Symbols = std::map<std::string, int64_t, std::less<>>;

Error Mismatch(std::string what) {
  return {Code::kInvalidArgument, "input_mismatch", std::move(what)};
}

std::string Describe(const std::vector<Dimension>& shape) {
  std::string text = "[";
  for (const Dimension& dimension : shape) {
    if (text.size() > 1) text += ", ";
    if (dimension.size >= 0) {
      text += std::to_string(dimension.size);
    } else {
      text += dimension.symbol.empty() ? "any" : dimension.symbol;
    }
  }
  return text + "]";
}

std::string Describe(const Shape& shape) {
  std::vector<Dimension> dimensions;
  for (const int64_t size : shape) dimensions.push_back({size, {}});
  return Describe(dimensions);
}

std::string Names(const std::vector<PreparedValue>& values) {
  std::string text;
  for (const PreparedValue& value : values) {
    if (!text.empty()) text += ", ";
    text += "'" + value.name + "'";
  }
  return text.empty() ? "none" : text;
}

Done MatchShape(const PreparedValue& expected, const Shape& given, Symbols& symbols) {
  if (!expected.shape) return {};
  const auto mismatch = [&](const std::string& detail) {
    return Mismatch("input '" + expected.name + "': expected shape " + Describe(*expected.shape) +
                    ", given " + Describe(given) + detail);
  };
  if (given.size() != expected.shape->size()) return mismatch("");
  for (size_t i = 0; i < given.size(); ++i) {
    const auto& [size, symbol] = (*expected.shape)[i];
    if (size >= 0 && given[i] != size) return mismatch("");
    if (symbol.empty()) continue;
    const auto [known, is_new] = symbols.emplace(symbol, given[i]);
    if (!is_new && known->second != given[i]) {
      return mismatch(", and " + symbol + " is " + std::to_string(known->second) +
                      " elsewhere in this request");
    }
  }
  return {};
}

Done MatchStrings(const PreparedValue& expected, const TensorView& given) {
  if (Strings(given).has_value()) return {};
  return Mismatch("input '" + expected.name + "': the data aren't the strings of shape " +
                  Describe(given.shape));
}

Done Match(const PreparedValue& expected, const TensorView& given, Symbols& symbols) {
  if (given.type != expected.type) {
    return Mismatch("input '" + expected.name + "': expected type " +
                    std::string(wire::Name(expected.type)) + ", given " +
                    std::string(wire::Name(given.type)));
  }
  TRY_OK(MatchShape(expected, given.shape, symbols));
  if (given.type == ElementType::kString) return MatchStrings(expected, given);
  const Result<size_t> bytes = ByteCount(given.type, given.shape);
  if (!bytes.has_value()) {
    return Mismatch("input '" + expected.name + "': shape " + Describe(given.shape) +
                    " is impossible for type " + std::string(wire::Name(given.type)));
  }
  if (*bytes != given.bytes.size()) {
    return Mismatch("input '" + expected.name + "': expected " + std::to_string(*bytes) +
                    " bytes of data for shape " + Describe(given.shape) + ", given " +
                    std::to_string(given.bytes.size()));
  }
  return {};
}

std::string KindOf(const PreparedValue& value) {
  const std::string kind = value.is_sequence ? "a sequence" : "a tensor";
  return value.is_optional ? kind + " or nothing" : kind;
}

Done MatchKind(const PreparedValue& expected, const NamedView& given, Symbols& symbols) {
  const bool matches = given.kind == ValueKind::kNothing    ? expected.is_optional
                       : given.kind == ValueKind::kSequence ? expected.is_sequence
                                                            : !expected.is_sequence;
  if (!matches) return Mismatch("input '" + expected.name + "': expected " + KindOf(expected));
  if (given.kind == ValueKind::kTensor) return Match(expected, given.tensor, symbols);
  for (const TensorView& element : given.elements) {
    Symbols of_this_element;
    TRY_OK(Match(expected, element, of_this_element));
  }
  return {};
}

}  // namespace

Result<std::vector<const NamedView*>> MatchInputs(const std::vector<PreparedValue>& expected,
                                                  std::span<const NamedView> given) {
  std::map<std::string_view, const NamedView*> by_name;
  for (const NamedView& input : given) {
    if (!by_name.emplace(input.name, &input).second) {
      return Mismatch("input '" + std::string(input.name) + "' is given twice");
    }
    if (std::ranges::find(expected, input.name, &PreparedValue::name) == expected.end()) {
      return Mismatch("input '" + std::string(input.name) +
                      "' is not one of the model's: " + Names(expected));
    }
  }
  std::vector<const NamedView*> matched;
  Symbols symbols;
  for (const PreparedValue& value : expected) {
    const auto found = by_name.find(value.name);
    if (found == by_name.end()) {
      return Mismatch("input '" + value.name + "' is missing: expected type " +
                      std::string(wire::Name(value.type)));
    }
    TRY_OK(MatchKind(value, *found->second, symbols));
    matched.push_back(found->second);
  }
  return matched;
}

}  // namespace ephemeralml::engine
