#include "enclave/engine/base/attributes.h"

#include <utility>

namespace ephemeralml::engine {
namespace {

using Values = std::map<std::string, AttributeValue, std::less<>>;

// Null if absent.
template <class T>
Result<const T*> Find(const Values& values, std::string_view name) {
  const auto found = values.find(name);
  if (found == values.end()) return static_cast<const T*>(nullptr);
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) {
    return Error{
        Code::kMalformed, "attribute_invalid",
        "attribute '" + std::string(name) + "' has another type than its operator defines"};
  }
  return value;
}

template <class T, class Fallback>
Result<T> FindOr(const Values& values, std::string_view name, Fallback&& fallback) {
  TRY(const T* value, Find<T>(values, name));
  return value == nullptr ? T(std::forward<Fallback>(fallback)) : *value;
}

template <class T>
Result<T> FindRequired(const Values& values, std::string_view name) {
  TRY(const T* value, Find<T>(values, name));
  if (value == nullptr) {
    return Error{Code::kMalformed, "attribute_invalid",
                 "attribute '" + std::string(name) + "' is required and isn't there"};
  }
  return *value;
}

}  // namespace

Result<int64_t> Attributes::Int(std::string_view name, int64_t fallback) const {
  return FindOr<int64_t>(values_, name, fallback);
}

Result<int64_t> Attributes::RequiredInt(std::string_view name) const {
  return FindRequired<int64_t>(values_, name);
}

Result<float> Attributes::Float(std::string_view name, float fallback) const {
  return FindOr<float>(values_, name, fallback);
}

Result<std::string> Attributes::String(std::string_view name, std::string_view fallback) const {
  return FindOr<std::string>(values_, name, fallback);
}

Result<std::vector<int64_t>> Attributes::Ints(std::string_view name,
                                              std::vector<int64_t> fallback) const {
  return FindOr<std::vector<int64_t>>(values_, name, std::move(fallback));
}

Result<std::vector<float>> Attributes::Floats(std::string_view name,
                                              std::vector<float> fallback) const {
  return FindOr<std::vector<float>>(values_, name, std::move(fallback));
}

Result<std::vector<std::string>> Attributes::Strings(std::string_view name,
                                                     std::vector<std::string> fallback) const {
  return FindOr<std::vector<std::string>>(values_, name, std::move(fallback));
}

Result<const ConstantValue*> Attributes::Constant(std::string_view name) const {
  return Find<ConstantValue>(values_, name);
}

Result<std::shared_ptr<const PreparedGraph>> Attributes::RequiredGraph(
    std::string_view name) const {
  return FindRequired<std::shared_ptr<const PreparedGraph>>(values_, name);
}

}  // namespace ephemeralml::engine
