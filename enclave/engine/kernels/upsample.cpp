#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

MadeKernel MakeResize(const NodeSpec& node);

/// What Resize was before version 10. Source: ONNX operator Upsample, version 9.
MadeKernel MakeUpsample(const NodeSpec& node) {
  NodeSpec as_resize = node;
  as_resize.opset = 10;
  return MakeResize(as_resize);
}

}  // namespace ephemeralml::engine::kernels
