#pragma once
// NumPy's broadcasting: which elements of up to three operands meet in each element of the output.
// Adjacent axes along which every operand behaves alike are taken together, so that the innermost
// run is as long as it can be and an operand either advances with it or stays. Shapes are hostile.

#include <array>
#include <initializer_list>
#include <vector>

#include "enclave/engine/base/tensor.h"

namespace ephemeralml::engine::kernels {

class Broadcast {
 public:
  static constexpr size_t kMostOperands = 3;

  /// Elements [output, output + length) of the output, and where each operand's part begins.
  struct Run {
    size_t output = 0;
    std::array<size_t, kMostOperands> operand = {};
    size_t length = 0;
  };

  /// Errors: kMalformed `shape_invalid` (the shapes don't broadcast), those of ElementCount.
  static Result<Broadcast> Create(std::initializer_list<const Shape*> operands);

  const Shape& output_shape() const { return output_shape_; }
  /// Elements of the output.
  size_t count() const { return count_; }
  /// 1 if the operand advances with a run, 0 if one element of it serves the whole run.
  size_t step(size_t operand) const { return steps_[operand]; }

  /// Calls `body(Run)` for the runs that make up elements [begin, end) of the output.
  template <class Body>
  void ForEachRun(size_t begin, size_t end, Body&& body) const {
    if (begin == end) return;
    Cursor cursor = CursorAt(begin / run_length_);
    size_t skipped = begin % run_length_;
    while (begin < end) {
      Run run{begin, cursor.operand, std::min(run_length_ - skipped, end - begin)};
      for (size_t i = 0; i < kMostOperands; ++i) run.operand[i] += skipped * steps_[i];
      body(run);
      begin += run.length;
      skipped = 0;
      Advance(cursor);
    }
  }

 private:
  using Strides = std::array<size_t, kMostOperands>;
  struct Axis {
    size_t extent = 1;
    Strides strides = {};  // in elements; 0 where an operand repeats
  };
  struct Cursor {
    std::vector<size_t> index;
    Strides operand = {};
  };

  void AddAxis(size_t extent, const std::array<bool, kMostOperands>& repeats,
               Strides& elements_inside);
  Cursor CursorAt(size_t run) const;
  void Advance(Cursor& cursor) const;

  Shape output_shape_;
  size_t count_ = 0;
  size_t run_length_ = 1;
  Strides steps_ = {};
  std::vector<Axis> outer_;  // innermost first
};

/// The shape that operands of these two shapes broadcast to. Errors: kMalformed `shape_invalid`.
Result<Shape> BroadcastShapes(const Shape& a, const Shape& b);

}  // namespace ephemeralml::engine::kernels
