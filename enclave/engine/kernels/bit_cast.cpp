#include <algorithm>

#include "common/wire/narrow_float.h"
#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

// The bits of a small element as they lie in a byte of its other type.
uint8_t Rewritten(uint8_t byte, ElementType type) {
  if (wire::IsSmallInteger(type)) return wire::SmallIntegerOf(type).Keep(byte);
  return static_cast<uint8_t>(byte & ((1 << wire::ElementBits(type)) - 1));
}

class BitCast final : public Kernel {
 public:
  explicit BitCast(ElementType type) : type_(type) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    if (wire::ElementBits(input.type) == 0) return TypeUnsupported(input.type);
    if (wire::ElementBits(input.type) != wire::ElementBits(type_)) {
      return InputInvalid(
          "BitCast: the elements haven't as many bits as those of the type that "
          "attribute 'to' names");
    }
    TRY(Tensor * output, context.Output(0, type_, input.shape));
    const MutableByteSpan bytes = output->MutableBytes();
    CopyBytes(input.bytes, bytes);
    if (wire::ElementBits(type_) >= 8) return {};
    for (uint8_t& byte : bytes) byte = Rewritten(byte, type_);
    return {};
  }

 private:
  ElementType type_;
};

}  // namespace

/// The same bits under another type of as many. Types: all but string.
/// Source: ONNX operator BitCast, version 26.
MadeKernel MakeBitCast(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY_OK(node.attributes.RequiredInt("to"));
  TRY(const ElementType type, ReadTypeAttribute(node, "to", ElementType::kUndefined));
  return std::make_unique<BitCast>(type);
}

}  // namespace ephemeralml::engine::kernels
