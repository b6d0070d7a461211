#include "enclave/engine/kernels/cast.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>

#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

// NumPy's text of a number, which ONNX's test data hold.
template <class T>
std::string TextOf(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-INF" : "INF";
  }
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

Done CastToText(KernelContext& context, const TensorView& input) {
  std::vector<std::string> texts;
  if (input.type == ElementType::kBool) {
    for (const uint8_t byte : input.bytes) texts.emplace_back(byte != 0 ? "1" : "0");
  } else {
    TRY_OK(WithType(NumericTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      for (const T value : input.Values<T>()) texts.push_back(TextOf(value));
      return {};
    }));
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  TRY(Tensor tensor, Tensor::OfStrings(context.arena(), input.shape, views));
  context.SetOutput(0, std::move(tensor));
  return {};
}

// Read as the type that holds all of the target's values.
template <class Wide, class Parse>
Done CastFromText(KernelContext& context, const TensorView& input, ElementType type, Parse parse) {
  TRY(const std::vector<std::string_view> texts, Strings(input));
  std::vector<Wide> values;
  for (const std::string_view text : texts) {
    const std::string terminated(text);
    char* end = nullptr;
    values.push_back(parse(terminated.c_str(), &end));
    if (end != terminated.c_str() + terminated.size() || terminated.empty()) {
      return InputInvalid("Cast: a text is no number");
    }
  }
  TRY(Tensor * output, context.Output(0, type, input.shape));
  const TensorView view{
      TypeOf<Wide>(),
      input.shape,
      {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(Wide)}};
  return ConvertElements(context.threads(), view, type, output->MutableBytes());
}

bool IsInteger(ElementType type) {
  return type != ElementType::kFloat && type != ElementType::kDouble &&
         type != ElementType::kFloat16 && type != ElementType::kBfloat16;
}

class Cast final : public Kernel {
 public:
  explicit Cast(ElementType type) : type_(type) {}

  Done Run(KernelContext& context) const override { return CastTo(context, type_); }

 private:
  ElementType type_;
};

}  // namespace

Done CastTo(KernelContext& context, ElementType type) {
  TRY_OK(RequireInput(context, 0));
  if (context.InputType(0) == type) return context.ForwardInput(0, 0, context.InputShape(0));
  TRY(const TensorView input, context.Input(0));
  if (type == ElementType::kString) return CastToText(context, input);
  if (input.type != ElementType::kString) {
    TRY(Tensor * output, context.Output(0, type, input.shape));
    return ConvertElements(context.threads(), input, type, output->MutableBytes());
  }
  if (IsInteger(type)) {
    return CastFromText<int64_t>(context, input, type, [](const char* text, char** end) {
      return static_cast<int64_t>(std::strtoll(text, end, 10));
    });
  }
  return CastFromText<double>(context, input, type,
                              [](const char* text, char** end) { return std::strtod(text, end); });
}

/// Elements as another type. Types: all but the 8-bit floats (so that `saturate` has no effect).
/// Source: ONNX operator Cast, versions 6 to 21.
MadeKernel MakeCast(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t to, node.attributes.RequiredInt("to"));
  const auto type = std::in_range<int>(to) ? wire::ElementTypeFromNumber(static_cast<int>(to))
                                           : ElementType::kUndefined;
  if (type == ElementType::kUndefined) {
    return Error{Code::kUnsupported, "type_unsupported",
                 "Cast: elements can't be converted to the type that attribute 'to' names"};
  }
  return std::make_unique<Cast>(type);
}

}  // namespace ephemeralml::engine::kernels
