#pragma once
// Operators over pairs of elements under broadcasting: a function object per operator, one kernel.

#include <optional>

#include "enclave/engine/kernels/broadcast.h"
#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/unary.h"

namespace ephemeralml::engine::kernels {

template <class In, class Out, class Function>
EPHEMERAL_MULTIVERSION void ZipRun(const In* a, size_t a_step, const In* b, size_t b_step, Out* out,
                                   size_t count, Function function) {
  if (a_step == b_step) {
    for (size_t i = 0; i < count; ++i) out[i] = function(a[i], b[i]);
  } else if (a_step == 0) {
    const In x = *a;
    for (size_t i = 0; i < count; ++i) out[i] = function(x, b[i]);
  } else {
    const In y = *b;
    for (size_t i = 0; i < count; ++i) out[i] = function(a[i], y);
  }
}

/// `out` = `function` of the elements that meet, on all threads.
template <class In, class Out, class Function>
void Zip(Threads& threads, const Broadcast& broadcast, const In* a, const In* b, Out* out,
         const Function& function) {
  threads.ParallelFor(broadcast.count(), kElementwiseGrain, [&](size_t begin, size_t end) {
    broadcast.ForEachRun(begin, end, [&](const Broadcast::Run& run) {
      ZipRun(a + run.operand[0], broadcast.step(0), b + run.operand[1], broadcast.step(1),
             out + run.output, run.length, function);
    });
  });
}

/// The two operands of a binary operator, of one type.
struct Operands {
  TensorView a;
  TensorView b;
  Broadcast broadcast;
};

/// Where the second operand's first axis lies in the first one; none: as NumPy has it. Only
/// operators before version 7 say it.
using LegacyAxis = std::optional<int64_t>;

inline Result<LegacyAxis> ReadLegacyAxis(const NodeSpec& node) {
  if (node.opset >= 7 || !node.attributes.Has("axis")) return LegacyAxis();
  TRY(const int64_t axis, node.attributes.RequiredInt("axis"));
  return LegacyAxis(axis);
}

/// Gives the second operand's shape ones behind it, so that it broadcasts at that axis.
/// Errors: kMalformed `attribute_invalid`, `shape_invalid`.
inline Done PlaceAtAxis(LegacyAxis legacy, const Shape& a, Shape& b) {
  if (!legacy) return {};
  TRY(const size_t axis, NormalizeAxis(*legacy, a.size() + 1));
  if (axis + b.size() > a.size()) {
    return ShapeInvalid("the second operand reaches beyond the first one's axes");
  }
  b.resize(a.size() - axis, 1);
  return {};
}

/// Errors: kMalformed `input_invalid` (left out, or types that differ), `shape_invalid`.
inline Result<Operands> ReadOperands(KernelContext& context, LegacyAxis legacy = {}) {
  TRY(TensorView a, RequiredInput(context, 0));
  TRY(TensorView b, RequiredInput(context, 1));
  TRY_OK(PlaceAtAxis(legacy, a.shape, b.shape));
  if (a.type != b.type) return InputInvalid("the operands' types differ");
  TRY(Broadcast broadcast, Broadcast::Create({&a.shape, &b.shape}));
  return Operands{std::move(a), std::move(b), std::move(broadcast)};
}

}  // namespace ephemeralml::engine::kernels
