#include "enclave/engine/kernels/cast.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>

#include "enclave/engine/kernels/convert_one.h"
#include "enclave/engine/kernels/quantization.h"

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

// Of numbers; small ones as what holds all of theirs.
Result<std::vector<std::string>> TextsOf(KernelContext& context, TensorView input) {
  ArenaBlock wide;
  if (IsSmall(input.type)) {
    const auto type = wire::IsSmallInteger(input.type) ? ElementType::kInt8 : ElementType::kFloat;
    TRY(wide, context.Scratch(input.bytes.size() * wire::ElementBytes(type)));
    TRY_OK(ConvertElements(context.threads(), input, type, wide.bytes()));
    input = {type, input.shape, wide.bytes()};
  }
  std::vector<std::string> texts;
  if (input.type == ElementType::kBool) {
    for (const uint8_t byte : input.bytes) texts.emplace_back(byte != 0 ? "1" : "0");
    return texts;
  }
  TRY_OK(WithType(NumericTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
    for (const T value : input.Values<T>()) texts.push_back(TextOf(value));
    return {};
  }));
  return texts;
}

Done CastToText(KernelContext& context, const TensorView& input) {
  TRY(const std::vector<std::string> texts, TextsOf(context, input));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  TRY(Tensor tensor, Tensor::OfStrings(context.arena(), input.shape, views));
  context.SetOutput(0, std::move(tensor));
  return {};
}

// Read as the type that holds all of the target's values.
template <class Wide, class Parse>
Done CastFromText(KernelContext& context, const TensorView& input, ElementType type,
                  const wire::Narrowing& how, Parse parse) {
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
  return ConvertElements(context.threads(), view, type, output->MutableBytes(), how);
}

bool IsInteger(ElementType type) {
  return type != ElementType::kFloat && type != ElementType::kDouble &&
         type != ElementType::kFloat16 && type != ElementType::kBfloat16 &&
         !wire::IsSmallFloat(type);
}

class Cast final : public Kernel {
 public:
  Cast(ElementType type, const wire::Narrowing& how) : type_(type), how_(how) {}

  Done Run(KernelContext& context) const override { return CastTo(context, type_, how_); }

 private:
  ElementType type_;
  wire::Narrowing how_;
};

}  // namespace

Done CastTo(KernelContext& context, ElementType type, const wire::Narrowing& how) {
  TRY_OK(RequireInput(context, 0));
  if (context.InputType(0) == type) return context.ForwardInput(0, 0, context.InputShape(0));
  TRY(const TensorView input, context.Input(0));
  if (type == ElementType::kString) return CastToText(context, input);
  if (input.type != ElementType::kString) {
    TRY(Tensor * output, context.Output(0, type, input.shape));
    return ConvertElements(context.threads(), input, type, output->MutableBytes(), how);
  }
  if (IsInteger(type)) {
    return CastFromText<int64_t>(context, input, type, how, [](const char* text, char** end) {
      return static_cast<int64_t>(std::strtoll(text, end, 10));
    });
  }
  return CastFromText<double>(context, input, type, how,
                              [](const char* text, char** end) { return std::strtod(text, end); });
}

Result<wire::Narrowing> ReadNarrowing(const NodeSpec& node) {
  using Power = wire::Narrowing::Power;
  const int64_t version = OnnxVersion(node);
  wire::Narrowing how = {.keeps_bits = version >= 24};
  if (version >= 19) {
    TRY(const int64_t saturate, node.attributes.Int("saturate", 1));
    how.saturate = saturate != 0;
  }
  if (version < 24) return how;
  TRY(const std::string mode, node.attributes.String("round_mode", "up"));
  if (mode != "up" && mode != "down" && mode != "nearest") {
    return AttributeInvalid(node.op + ": attribute 'round_mode' names no way to round");
  }
  how.power = mode == "up" ? Power::kUp : mode == "down" ? Power::kDown : Power::kNearest;
  return how;
}

/// Elements as another type. Types: all. Integers of less than eight bits are rounded to nearest,
/// ties to even. Source: ONNX operator Cast, versions 6 to 25, and its documentation of the types
/// of 8, 4 and 2 bits; what these leave open is as in ONNX's test data of the version.
MadeKernel MakeCast(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t to, node.attributes.RequiredInt("to"));
  const auto type = std::in_range<int>(to) ? wire::ElementTypeFromNumber(static_cast<int>(to))
                                           : ElementType::kUndefined;
  if (type == ElementType::kUndefined) {
    return Error{Code::kUnsupported, "type_unsupported",
                 "Cast: elements can't be converted to the type that attribute 'to' names"};
  }
  TRY(const wire::Narrowing how, ReadNarrowing(node));
  return std::make_unique<Cast>(type, how);
}

}  // namespace ephemeralml::engine::kernels
