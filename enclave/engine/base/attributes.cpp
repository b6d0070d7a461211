#include "enclave/engine/base/attributes.h"

#include <algorithm>

namespace ephemeralml::engine {
namespace {

using Named = std::pair<std::string, AttributeValue>;

}  // namespace

Attributes::Attributes(std::vector<Named> values) : values_(std::move(values)) {
  std::ranges::sort(values_, {}, &Named::first);
}

const std::string* Attributes::RepeatedName() const {
  const auto found = std::ranges::adjacent_find(values_, {}, &Named::first);
  return found == values_.end() ? nullptr : &found->first;
}

const AttributeValue* Attributes::Find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(values_, name, {}, &Named::first);
  return found == values_.end() || found->first != name ? nullptr : &found->second;
}

// Null if absent.
template <class T>
Result<const T*> Attributes::FindOf(std::string_view name) const {
  const AttributeValue* found = Find(name);
  if (found == nullptr) return static_cast<const T*>(nullptr);
  const T* value = std::get_if<T>(found);
  if (value == nullptr) {
    return Error{
        Code::kMalformed, "attribute_invalid",
        "attribute '" + std::string(name) + "' has another type than its operator defines"};
  }
  return value;
}

template <class T, class Fallback>
Result<T> Attributes::FindOr(std::string_view name, Fallback&& fallback) const {
  TRY(const T* value, FindOf<T>(name));
  return value == nullptr ? T(std::forward<Fallback>(fallback)) : *value;
}

template <class T>
Result<T> Attributes::FindRequired(std::string_view name) const {
  TRY(const T* value, FindOf<T>(name));
  if (value == nullptr) {
    return Error{Code::kMalformed, "attribute_invalid",
                 "attribute '" + std::string(name) + "' is required and isn't there"};
  }
  return *value;
}

Result<int64_t> Attributes::Int(std::string_view name, int64_t fallback) const {
  return FindOr<int64_t>(name, fallback);
}

Result<int64_t> Attributes::RequiredInt(std::string_view name) const {
  return FindRequired<int64_t>(name);
}

Result<float> Attributes::Float(std::string_view name, float fallback) const {
  return FindOr<float>(name, fallback);
}

Result<std::string> Attributes::String(std::string_view name, std::string_view fallback) const {
  return FindOr<std::string>(name, fallback);
}

Result<std::vector<int64_t>> Attributes::Ints(std::string_view name,
                                              std::vector<int64_t> fallback) const {
  return FindOr<std::vector<int64_t>>(name, std::move(fallback));
}

Result<std::vector<float>> Attributes::Floats(std::string_view name,
                                              std::vector<float> fallback) const {
  return FindOr<std::vector<float>>(name, std::move(fallback));
}

Result<std::vector<std::string>> Attributes::Strings(std::string_view name,
                                                     std::vector<std::string> fallback) const {
  return FindOr<std::vector<std::string>>(name, std::move(fallback));
}

Result<const ConstantValue*> Attributes::Constant(std::string_view name) const {
  return FindOf<ConstantValue>(name);
}

Result<std::shared_ptr<const PreparedGraph>> Attributes::RequiredGraph(
    std::string_view name) const {
  return FindRequired<std::shared_ptr<const PreparedGraph>>(name);
}

}  // namespace ephemeralml::engine
