#include "client/decompose/prepare/prepare.h"

#include "client/decompose/prepare/passes.h"

namespace ephemeralml::decompose {

void Prepare(Program& program, onnx::ExternalFiles& files, const HasKernel& has_kernel) {
  Facts facts(program, files);
  DropIdentities(program, facts, files);
  FoldConstants(program, facts);
  if (has_kernel("LayerNormalization")) FuseLayerNormalization(program, facts);
  if (has_kernel("Gelu")) FuseGelu(program, facts);
  if (has_kernel("MatMul")) FuseMatMul(program, facts);
  if (has_kernel("Attention")) FuseAttention(program, facts);
}

}  // namespace ephemeralml::decompose
