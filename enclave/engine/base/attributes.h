#pragma once
// A node's attributes as kernels read them: by name, with the type that the operator defines. Their
// values come from the client: a wrong type is an error, never a crash.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "enclave/engine/base/tensor.h"

namespace ephemeralml::engine {

struct PreparedGraph;

/// A small constant inside a node, such as ConstantOfShape's value.
struct ConstantValue {
  ElementType type = ElementType::kUndefined;
  Shape shape;
  Bytes bytes;
};

using AttributeValue =
    std::variant<float, int64_t, std::string, ConstantValue, std::shared_ptr<const PreparedGraph>,
                 std::vector<float>, std::vector<int64_t>, std::vector<std::string>>;

/// Errors of every reader: kMalformed `attribute_invalid`, when the attribute is there with another
/// type, or (Required…) isn't there.
class Attributes {
 public:
  Attributes() = default;
  explicit Attributes(std::map<std::string, AttributeValue, std::less<>> values)
      : values_(std::move(values)) {}

  bool Has(std::string_view name) const { return values_.contains(name); }
  Result<int64_t> Int(std::string_view name, int64_t fallback) const;
  Result<int64_t> RequiredInt(std::string_view name) const;
  Result<float> Float(std::string_view name, float fallback) const;
  Result<std::string> String(std::string_view name, std::string_view fallback) const;
  Result<std::vector<int64_t>> Ints(std::string_view name, std::vector<int64_t> fallback) const;
  Result<std::vector<float>> Floats(std::string_view name, std::vector<float> fallback) const;
  Result<std::vector<std::string>> Strings(std::string_view name,
                                           std::vector<std::string> fallback) const;
  /// Null if absent.
  Result<const ConstantValue*> Constant(std::string_view name) const;
  Result<std::shared_ptr<const PreparedGraph>> RequiredGraph(std::string_view name) const;

 private:
  std::map<std::string, AttributeValue, std::less<>> values_;
};

}  // namespace ephemeralml::engine
