#pragma once
// Where the elements of a packed weight lie: panels of 64 output columns, in the order in which a
// kernel reads them. Both ends must agree; docs/formats/weight_blob.md describes it.

#include <algorithm>
#include <cstdint>

namespace ephemeralml::wire {

inline constexpr uint64_t kPanelColumns = 64;
/// Columns come in groups of this many; the last panel is padded to a whole group.
inline constexpr uint64_t kLaneColumns = 16;

// What PointwiseDepthwiseConv takes (docs/decisions/0006-prepared-graphs.md).
/// Input channels: a panel for as many lies open until all that is made of its columns is filtered.
inline constexpr int64_t kMostPointwiseChannels = 384;
/// Filters, all of which lie open meanwhile.
inline constexpr uint64_t kMostFilterBytes = uint64_t{256} * 1024;
/// Lines from a filter's first to its last: so many are kept from one line of the result to the
/// next.
inline constexpr int64_t kMostFilterLines = 32;

/// A weight as a matrix: what a sum is multiplied with at each step, for every output column.
struct PackedShape {
  uint64_t columns = 0;  ///< of the result: a matrix's columns, a convolution's output channels
  uint64_t steps = 0;    ///< terms of each sum
  bool has_bias = false;

  /// Rows of every panel: the biases' first, if there are any, then one for each step.
  uint64_t rows() const { return steps + (has_bias ? 1 : 0); }
  uint64_t panel_count() const { return (columns + kPanelColumns - 1) / kPanelColumns; }
  /// Columns of the result that a panel makes.
  uint64_t ColumnsOf(uint64_t panel) const {
    return std::min(kPanelColumns, columns - panel * kPanelColumns);
  }
  /// Elements of each of a panel's rows.
  uint64_t WidthOf(uint64_t panel) const {
    return (ColumnsOf(panel) + kLaneColumns - 1) / kLaneColumns * kLaneColumns;
  }
  /// Elements before a panel; `panel_count()` for all of them.
  uint64_t OffsetOf(uint64_t panel) const {
    return std::min(panel * kPanelColumns,
                    (columns + kLaneColumns - 1) / kLaneColumns * kLaneColumns) *
           rows();
  }
};

}  // namespace ephemeralml::wire
