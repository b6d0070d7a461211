#pragma once
// The passes, in their order, over one graph of a program each. Each keeps the program's meaning,
// and the facts true; none touches the graph's subgraphs. Part of Prepare.

#include "client/decompose/onnx/external_files.h"
#include "client/decompose/prepare/facts.h"

namespace ephemeralml::decompose {

/// Removes what does nothing: Identity, Dropout in inference, products and quotients by one. An
/// Identity stays where an output of the model is a constant, an input, or a second name.
void DropIdentities(Program& program, ProgramGraph& graph, Facts& facts,
                    onnx::ExternalFiles& files);

/// Turns what is known before any run into constants: small integers, and single floats.
void FoldConstants(Program& program, ProgramGraph& graph, const Facts& facts);

/// Finds layer normalization over the last axis in its spelled-out forms.
void FuseLayerNormalization(Program& program, ProgramGraph& graph, const Facts& facts);

/// Finds Gelu in its spelled-out forms, by the error function and by tanh.
void FuseGelu(Program& program, ProgramGraph& graph, const Facts& facts);

/// Turns matrix products with a constant matrix, as MatMul or Gemm, into our own MatMul, with the
/// bias, residual and activation that follow.
void FuseMatMul(Program& program, ProgramGraph& graph, const Facts& facts);

/// Finds scaled dot-product attention, heads being split off and put together again. Its own
/// products are asked for in bfloat16, or in float32.
void FuseAttention(Program& program, ProgramGraph& graph, const Facts& facts, bool in_bfloat16);

/// Makes products of one left operand that follow each other one node, so that no thread waits
/// between them: queries, keys and values, mostly. Products with a residual stay alone.
void MergeMatMuls(ProgramGraph& graph);

/// Turns convolutions over two axes with a constant kernel, of all channels or one each, into our
/// own, with the normalization, bias, residual and activation that follow. They are meant to work
/// on blocked tensors: AssignLayouts must follow.
void FuseConv(Program& program, ProgramGraph& graph, const Facts& facts,
              onnx::ExternalFiles& files);

/// Gives our own convolutions blocked tensors, and lets what can work on these do so, that values
/// stay blocked between convolutions.
void AssignLayouts(Program& program, ProgramGraph& graph, const Facts& facts,
                   onnx::ExternalFiles& files);

/// Makes one node of a pointwise convolution of ours and the depthwise one that alone takes what it
/// makes, which is large, and then never exists as a whole. AssignLayouts goes before.
void FusePointwise(Program& program, ProgramGraph& graph);

}  // namespace ephemeralml::decompose
