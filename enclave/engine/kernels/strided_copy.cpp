#include "enclave/engine/kernels/strided_copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>

#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr int64_t kTile = 16;  // rows and columns that a transposing copy does at a time
constexpr size_t kGrainBytes = 128 * 1024;  // less isn't worth waking a thread for

// Drops axes of extent 1 and joins neighbours that lie one after the other in both layouts.
std::vector<BoxAxis> Simplify(const std::vector<BoxAxis>& box) {
  std::vector<BoxAxis> simple;
  for (const BoxAxis& axis : box) {
    if (axis.extent == 1) continue;
    if (!simple.empty() && simple.back().source_stride == axis.source_stride * axis.extent &&
        simple.back().target_stride == axis.target_stride * axis.extent) {
      simple.back() = {simple.back().extent * axis.extent, axis.source_stride, axis.target_stride};
    } else {
      simple.push_back(axis);
    }
  }
  return simple;
}

template <class T>
void CopyRow(const BoxAxis& row, const T* source, T* target) {
  if (row.target_stride == 1 && row.source_stride == 1) {
    std::memcpy(target, source, static_cast<size_t>(row.extent) * sizeof(T));
  } else if (row.target_stride == 1 && row.source_stride == 0) {
    std::fill_n(target, row.extent, *source);
  } else {
    for (int64_t i = 0; i < row.extent; ++i) {
      target[i * row.target_stride] = source[i * row.source_stride];
    }
  }
}

// Tiles, so that a transposition touches whole cache lines on both sides.
template <class T>
void CopyPlane(const BoxAxis& rows, const BoxAxis& columns, const T* source, T* target) {
  for (int64_t r = 0; r < rows.extent; r += kTile) {
    const int64_t last_row = std::min(r + kTile, rows.extent);
    for (int64_t c = 0; c < columns.extent; c += kTile) {
      const int64_t last_column = std::min(c + kTile, columns.extent);
      for (int64_t i = r; i < last_row; ++i) {
        const T* from = source + i * rows.source_stride;
        T* to = target + i * rows.target_stride;
        for (int64_t j = c; j < last_column; ++j) {
          to[j * columns.target_stride] = from[j * columns.source_stride];
        }
      }
    }
  }
}

// What one call of a copying function does: a row, or a plane if that pays.
struct Inner {
  BoxAxis row;
  BoxAxis plane_rows;  // extent 0: no plane
};

// Takes the innermost axis, and the axis along which the source is dense if that is another one.
Inner TakeInner(std::vector<BoxAxis>& box) {
  Inner inner{box.back(), {}};
  box.pop_back();
  if (std::abs(inner.row.source_stride) <= 1) return inner;
  const auto dense = std::ranges::find(box, 1, &BoxAxis::source_stride);
  if (dense != box.end()) {
    inner.plane_rows = *dense;
    box.erase(dense);
  }
  return inner;
}

// Where the rows or planes of a box begin, one after the other.
class Walk {
 public:
  Walk(const std::vector<BoxAxis>& axes, size_t item) : axes_(axes), index_(axes.size()) {
    auto rest = static_cast<int64_t>(item);
    for (size_t a = axes.size(); a-- > 0;) {
      index_[a] = rest % axes[a].extent;
      rest /= axes[a].extent;
      source += index_[a] * axes[a].source_stride;
      target += index_[a] * axes[a].target_stride;
    }
  }

  void Next() {
    for (size_t a = axes_.size(); a-- > 0;) {
      const BoxAxis& axis = axes_[a];
      if (++index_[a] < axis.extent) {
        source += axis.source_stride;
        target += axis.target_stride;
        return;
      }
      index_[a] = 0;
      source -= (axis.extent - 1) * axis.source_stride;
      target -= (axis.extent - 1) * axis.target_stride;
    }
  }

  int64_t source = 0;
  int64_t target = 0;

 private:
  const std::vector<BoxAxis>& axes_;
  std::vector<int64_t> index_;
};

template <class T>
void CopyAs(Threads& threads, std::vector<BoxAxis> box, const T* source, T* target) {
  if (box.empty()) box.push_back({1, 1, 1});
  const Inner inner = TakeInner(box);
  // With nothing left outside a plane, its own rows are what threads share.
  const bool split_plane = box.empty() && inner.plane_rows.extent > 0;
  size_t items =
      split_plane ? static_cast<size_t>((inner.plane_rows.extent + kTile - 1) / kTile) : 1;
  for (const BoxAxis& axis : box) items *= static_cast<size_t>(axis.extent);
  const int64_t plane_rows = split_plane ? kTile : std::max<int64_t>(inner.plane_rows.extent, 1);
  const size_t item_bytes = static_cast<size_t>(inner.row.extent * plane_rows) * sizeof(T);
  threads.ParallelFor(items, kGrainBytes / item_bytes + 1, [&](size_t begin, size_t end) {
    if (split_plane) {
      BoxAxis rows = inner.plane_rows;
      const int64_t first = static_cast<int64_t>(begin) * kTile;
      rows.extent = std::min(static_cast<int64_t>(end) * kTile, rows.extent) - first;
      CopyPlane(rows, inner.row, source + first * rows.source_stride,
                target + first * rows.target_stride);
      return;
    }
    Walk walk(box, begin);
    for (size_t item = begin; item < end; ++item, walk.Next()) {
      if (inner.plane_rows.extent > 0) {
        CopyPlane(inner.plane_rows, inner.row, source + walk.source, target + walk.target);
      } else {
        CopyRow(inner.row, source + walk.source, target + walk.target);
      }
    }
  });
}

// How often a row repeats each of its source's elements, which follow one another: enlarging by a
// whole factor does. 0: it is no such row.
size_t RepeatsOf(std::span<const int64_t> offsets) {
  const auto differs = [&](int64_t offset) { return offset != offsets[0]; };
  const auto times = static_cast<size_t>(std::ranges::find_if(offsets, differs) - offsets.begin());
  for (size_t i = 0; i < offsets.size(); ++i) {
    if (offsets[i] != offsets[0] + static_cast<int64_t>(i / times)) return 0;
  }
  return times;
}

template <class T, size_t kTimes>
EPHEMERAL_MULTIVERSION void RepeatEach(const T* from, size_t count, T* to) {
  for (size_t i = 0; i < count / kTimes; ++i) {
    for (size_t j = 0; j < kTimes; ++j) to[i * kTimes + j] = from[i];
  }
}

// One row by its offsets, whose RepeatsOf is `times`.
template <class T>
void CopyRowByOffsets(std::span<const int64_t> offsets, size_t times, const T* from, T* to) {
  const size_t count = offsets.size();
  switch (count % std::max<size_t>(times, 1) == 0 ? times : 0) {
    case 1:
      return (void)std::copy_n(from + offsets[0], count, to);
    case 2:
      return RepeatEach<T, 2>(from + offsets[0], count, to);
    case 4:
      return RepeatEach<T, 4>(from + offsets[0], count, to);
    case 8:
      return RepeatEach<T, 8>(from + offsets[0], count, to);
    default:
      for (size_t i = 0; i < count; ++i) to[i] = from[offsets[i]];
  }
}

template <class T>
void CopyByOffsetsAs(Threads& threads, const Shape& shape,
                     const std::vector<const int64_t*>& offsets, const T* source, T* target) {
  const size_t last = shape.size() - 1;
  const auto columns = static_cast<size_t>(shape[last]);
  size_t rows = 1;
  for (size_t axis = 0; axis < last; ++axis) rows *= static_cast<size_t>(shape[axis]);
  const std::span<const int64_t> row_offsets(offsets[last], columns);
  const size_t times = RepeatsOf(row_offsets);
  threads.ParallelFor(rows, kGrainBytes / sizeof(T) / columns + 1, [&](size_t begin, size_t end) {
    const T* previous = nullptr;
    for (size_t row = begin; row < end; ++row) {
      const T* from = source;
      auto rest = static_cast<int64_t>(row);
      for (size_t axis = last; axis-- > 0;) {
        from += offsets[axis][rest % shape[axis]];
        rest /= shape[axis];
      }
      T* to = target + row * columns;
      if (from == previous) {
        std::copy_n(to - columns, columns, to);
      } else {
        CopyRowByOffsets(row_offsets, times, from, to);
      }
      previous = from;
    }
  });
}

template <class Function>
void WithElement(size_t element_bytes, Function function) {
  switch (element_bytes) {
    case 1:
      return function(uint8_t{});
    case 2:
      return function(uint16_t{});
    case 4:
      return function(uint32_t{});
    case 8:
      return function(uint64_t{});
    default:
      CHECK(false && "elements are 1, 2, 4 or 8 bytes wide");
  }
}

}  // namespace

void CopyBox(Threads& threads, size_t element_bytes, const std::vector<BoxAxis>& box,
             const uint8_t* source, uint8_t* target) {
  if (std::ranges::any_of(box, [](const BoxAxis& axis) { return axis.extent == 0; })) return;
  WithElement(element_bytes, [&]<class T>(T) {
    CopyAs(threads, Simplify(box), reinterpret_cast<const T*>(source),
           reinterpret_cast<T*>(target));
  });
}

void CopyByOffsets(Threads& threads, size_t element_bytes, const Shape& shape,
                   const std::vector<const int64_t*>& offsets, const uint8_t* source,
                   uint8_t* target) {
  CHECK(!shape.empty() && offsets.size() == shape.size());
  WithElement(element_bytes, [&]<class T>(T) {
    CopyByOffsetsAs(threads, shape, offsets, reinterpret_cast<const T*>(source),
                    reinterpret_cast<T*>(target));
  });
}

}  // namespace ephemeralml::engine::kernels
