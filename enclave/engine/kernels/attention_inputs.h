#pragma once
// What the operators of attention have in common: heads that are read from inputs in either layout,
// caches that grow, masks that broadcast.

#include <optional>

#include "enclave/engine/kernels/operands.h"
#include "enclave/engine/panels/attention.h"

namespace ephemeralml::engine::kernels {

/// Queries, keys or values, wherever they lie.
struct HeadsView {
  panels::HeadRows<const float> at;
  int64_t batch = 0;
  int64_t heads = 0;
  int64_t rows = 0;
  int64_t columns = 0;  ///< of a head
};

/// An input [batch, rows, heads * columns], or [batch, heads, rows, columns], whose heads must then
/// be as many unless `heads` is 0. Errors: kMalformed `shape_invalid`, `input_invalid`;
/// kUnsupported `type_unsupported`; those of KernelContext::Input.
Result<HeadsView> ReadHeads(KernelContext& context, size_t index, int64_t heads);

/// Keys or values with what a cache held before them.
struct GrownHeads {
  HeadsView heads;
  std::optional<ArenaBlock> scratch;  ///< what `heads` views, if it is no input or output
};

/// Rows after those of the past (an input [batch, heads, past rows, columns] that may be left out),
/// and all of them as an output if anybody reads it. Errors: as ReadHeads, kOverLimit.
Result<GrownHeads> Grow(KernelContext& context, const HeadsView& added, size_t past,
                        size_t present);

/// Copies rows to [batch, heads, `rows` or more, columns] from row `first` on.
void CopyRows(Threads& threads, const HeadsView& from, const panels::HeadRows<float>& to,
              int64_t first);

/// A mask that is read where it lies or made here.
struct MaskView {
  panels::AttentionMask mask;
  std::optional<ArenaBlock> scratch;
};

/// An input that broadcasts to [batch, heads, queries, keys], float32 (added) or bool (false
/// hides), of up to four axes; keys after its last column are hidden. Errors: as ReadHeads.
Result<MaskView> ReadMask(KernelContext& context, size_t index,
                          const panels::AttentionShape& shape);

/// An attention's shape. Errors: kMalformed `shape_invalid` (they don't fit each other, or a head
/// has no columns).
Result<panels::AttentionShape> FitHeads(const HeadsView& queries, const HeadsView& keys,
                                        const HeadsView& values);

}  // namespace ephemeralml::engine::kernels
