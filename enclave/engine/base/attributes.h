#pragma once
// A node's attributes as kernels read them: by name, with the type that the operator defines. Their
// values come from the client: a wrong type is an error, never a crash.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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
  /// In any order.
  explicit Attributes(std::vector<std::pair<std::string, AttributeValue>> values);

  /// A name that is there twice, or null. Of such attributes any one is read.
  const std::string* RepeatedName() const;
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
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
  const AttributeValue* Find(std::string_view name) const;
  template <class T>
  Result<const T*> FindOf(std::string_view name) const;
  template <class T, class Fallback>
  Result<T> FindOr(std::string_view name, Fallback&& fallback) const;
  template <class T>
  Result<T> FindRequired(std::string_view name) const;

  std::vector<std::pair<std::string, AttributeValue>> values_;  // by name
};

}  // namespace ephemeralml::engine
