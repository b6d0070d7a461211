#pragma once
// How each operator is expanded. Part of Expand.

#include "client/decompose/expand/composer.h"

namespace ephemeralml::decompose {

/// Builds the nodes and gives the outputs. False: this use of the operator can't be expressed.
using ExpandFn = bool (*)(Composer& composer);

// Of transformers: attention.cpp, language.cpp, rules.cpp.
bool ExpandAttention(Composer& composer);
bool ExpandBiasAdd(Composer& composer);
bool ExpandBiasGelu(Composer& composer);
bool ExpandBiasSplitGelu(Composer& composer);
bool ExpandEmbedLayerNormalization(Composer& composer);
bool ExpandFastGelu(Composer& composer);
bool ExpandFusedConv(Composer& composer);
bool ExpandFusedGemm(Composer& composer);
bool ExpandGelu(Composer& composer);
bool ExpandLayerNormalization(Composer& composer);
bool ExpandQAttention(Composer& composer);
bool ExpandQuickGelu(Composer& composer);
bool ExpandSimplifiedLayerNormalization(Composer& composer);
bool ExpandSkipLayerNormalization(Composer& composer);
bool ExpandSkipSimplifiedLayerNormalization(Composer& composer);
bool ExpandSwish(Composer& composer);
bool ExpandUpsample(Composer& composer);

// Of quantized networks: quantized.cpp.
bool ExpandContributedDequantizeLinear(Composer& composer);
bool ExpandContributedQuantizeLinear(Composer& composer);
bool ExpandDynamicQuantizeMatMul(Composer& composer);
bool ExpandMatMulIntegerToFloat(Composer& composer);
bool ExpandQGemm(Composer& composer);
bool ExpandQLinearAdd(Composer& composer);
bool ExpandQLinearAveragePool(Composer& composer);
bool ExpandQLinearConcat(Composer& composer);
bool ExpandQLinearGlobalAveragePool(Composer& composer);
bool ExpandQLinearLeakyRelu(Composer& composer);
bool ExpandQLinearMul(Composer& composer);
bool ExpandQLinearSigmoid(Composer& composer);
bool ExpandQLinearSoftmax(Composer& composer);
bool ExpandQLinearWhere(Composer& composer);

// Of weights that are scaled in blocks: blocked_weights.cpp.
bool ExpandGatherBlockQuantized(Composer& composer);
bool ExpandMatMulNBits(Composer& composer);

}  // namespace ephemeralml::decompose
