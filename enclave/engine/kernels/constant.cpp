// Constant and ConstantOfShape: tensors that attributes describe.

#include <algorithm>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class T>
ConstantValue ToConstant(Shape shape, std::span<const T> values) {
  ConstantValue constant{TypeOf<T>(), std::move(shape), {}};
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  constant.bytes.assign(bytes, bytes + values.size_bytes());
  return constant;
}

Done CheckConstant(const ConstantValue& constant) {
  TRY(const size_t bytes, ByteCount(constant.type, constant.shape));
  if (bytes != constant.bytes.size()) {
    return AttributeInvalid("a constant's shape and its elements differ in number");
  }
  return {};
}

class Constant final : public Kernel {
 public:
  explicit Constant(ConstantValue constant) : constant_(std::move(constant)) {}

  Done Run(KernelContext& context) const override {
    TRY(Tensor * output, context.Output(0, constant_.type, constant_.shape));
    CopyBytes(constant_.bytes, output->MutableBytes());
    return {};
  }

 private:
  ConstantValue constant_;
};

class ConstantOfShape final : public Kernel {
 public:
  explicit ConstantOfShape(ConstantValue element) : element_(std::move(element)) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY(Shape shape, ReadIntegers(context, 0));
    TRY(Tensor * output, context.Output(0, element_.type, std::move(shape)));
    // An output comes zeroed.
    if (std::ranges::all_of(element_.bytes, [](uint8_t byte) { return byte == 0; })) return {};
    return WithWidth(element_.type, [&]<class T>(std::type_identity<T>) -> Done {
      T element;
      std::copy_n(element_.bytes.data(), sizeof(T), reinterpret_cast<uint8_t*>(&element));
      std::fill_n(Raw<T>(*output), output->byte_count() / sizeof(T), element);
      return {};
    });
  }

 private:
  ConstantValue element_;
};

}  // namespace

/// Errors: kUnsupported `type_unsupported` (strings, sparse tensors).
/// Source: ONNX operator Constant, versions 1 to 21.
MadeKernel MakeConstant(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 0, .most_inputs = 0}));
  const Attributes& attributes = node.attributes;
  TRY(const ConstantValue* value, attributes.Constant("value"));
  if (value != nullptr) {
    TRY_OK(CheckConstant(*value));
    return std::make_unique<Constant>(*value);
  }
  if (attributes.Has("value_float")) {
    TRY(const float element, attributes.Float("value_float", 0));
    return std::make_unique<Constant>(ToConstant<float>({}, {&element, 1}));
  }
  if (attributes.Has("value_int")) {
    TRY(const int64_t element, attributes.RequiredInt("value_int"));
    return std::make_unique<Constant>(ToConstant<int64_t>({}, {&element, 1}));
  }
  if (attributes.Has("value_floats")) {
    TRY(const std::vector<float> elements, attributes.Floats("value_floats", {}));
    return std::make_unique<Constant>(ToConstant<float>({std::ssize(elements)}, elements));
  }
  if (attributes.Has("value_ints")) {
    TRY(const std::vector<int64_t> elements, attributes.Ints("value_ints", {}));
    return std::make_unique<Constant>(ToConstant<int64_t>({std::ssize(elements)}, elements));
  }
  for (const std::string_view name : {"value_string", "value_strings", "sparse_value"}) {
    if (!attributes.Has(name)) continue;
    return Error{Code::kUnsupported, "type_unsupported",
                 "Constant: attribute '" + std::string(name) + "' isn't supported"};
  }
  return AttributeInvalid("Constant: the node has no value");
}

/// One element, repeated; a single-precision 0 if the node names none.
/// Source: ONNX operator ConstantOfShape, versions 9 to 21.
MadeKernel MakeConstantOfShape(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const ConstantValue* value, node.attributes.Constant("value"));
  if (value == nullptr) {
    return std::make_unique<ConstantOfShape>(
        ConstantValue{ElementType::kFloat, {1}, Bytes(sizeof(float))});
  }
  TRY_OK(CheckConstant(*value));
  if (value->bytes.size() != wire::ElementBytes(value->type)) {
    return AttributeInvalid("ConstantOfShape: attribute 'value' must hold one element");
  }
  return std::make_unique<ConstantOfShape>(*value);
}

}  // namespace ephemeralml::engine::kernels
