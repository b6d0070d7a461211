#include "enclave/engine/kernels/broadcast.h"

#include <algorithm>

namespace ephemeralml::engine::kernels {
namespace {

// The extent of a shape's axis, counted from the innermost; 1 beyond its rank.
int64_t ExtentFromBack(const Shape& shape, size_t axis) {
  return axis < shape.size() ? shape[shape.size() - 1 - axis] : 1;
}

}  // namespace

Result<Shape> BroadcastShapes(const Shape& a, const Shape& b) {
  Shape shape(std::max(a.size(), b.size()));
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const int64_t extent_a = ExtentFromBack(a, axis);
    const int64_t extent_b = ExtentFromBack(b, axis);
    if (extent_a != extent_b && extent_a != 1 && extent_b != 1) {
      return Error{Code::kMalformed, "shape_invalid",
                   "operands' shapes don't broadcast: at an axis they differ and neither is 1"};
    }
    shape[shape.size() - 1 - axis] = extent_a == 1 ? extent_b : extent_a;
  }
  return shape;
}

Result<Broadcast> Broadcast::Create(std::initializer_list<const Shape*> operands) {
  CHECK(operands.size() >= 1 && operands.size() <= kMostOperands);
  Broadcast broadcast;
  for (const Shape* shape : operands) {
    TRY_OK(ElementCount(*shape));
    TRY(broadcast.output_shape_, BroadcastShapes(broadcast.output_shape_, *shape));
  }
  TRY(broadcast.count_, ElementCount(broadcast.output_shape_));
  if (broadcast.count_ == 0) return broadcast;
  Strides elements_inside;
  elements_inside.fill(1);
  for (size_t axis = 0; axis < broadcast.output_shape_.size(); ++axis) {
    const int64_t extent = ExtentFromBack(broadcast.output_shape_, axis);
    if (extent == 1) continue;
    std::array<bool, kMostOperands> repeats = {true, true, true};
    size_t i = 0;
    for (const Shape* shape : operands) repeats[i++] = ExtentFromBack(*shape, axis) == 1;
    broadcast.AddAxis(static_cast<size_t>(extent), repeats, elements_inside);
  }
  if (!broadcast.outer_.empty()) {
    broadcast.run_length_ = broadcast.outer_.front().extent;
    broadcast.steps_ = broadcast.outer_.front().strides;
    broadcast.outer_.erase(broadcast.outer_.begin());
  }
  return broadcast;
}

// Axes come innermost first. `elements_inside` counts each operand's elements within the axes so
// far: the stride of the next axis along which it doesn't repeat.
void Broadcast::AddAxis(size_t extent, const std::array<bool, kMostOperands>& repeats,
                        Strides& elements_inside) {
  const bool joins =
      !outer_.empty() && std::ranges::equal(outer_.back().strides, repeats, {},
                                            [](size_t stride) { return stride == 0; });
  if (joins) {
    outer_.back().extent *= extent;
  } else {
    Axis axis{extent, {}};
    for (size_t i = 0; i < kMostOperands; ++i)
      axis.strides[i] = repeats[i] ? 0 : elements_inside[i];
    outer_.push_back(axis);
  }
  for (size_t i = 0; i < kMostOperands; ++i) {
    if (!repeats[i]) elements_inside[i] *= extent;
  }
}

Broadcast::Cursor Broadcast::CursorAt(size_t run) const {
  Cursor cursor;
  for (const Axis& axis : outer_) {
    cursor.index.push_back(run % axis.extent);
    for (size_t i = 0; i < kMostOperands; ++i) {
      cursor.operand[i] += cursor.index.back() * axis.strides[i];
    }
    run /= axis.extent;
  }
  return cursor;
}

void Broadcast::Advance(Cursor& cursor) const {
  for (size_t a = 0; a < outer_.size(); ++a) {
    const Axis& axis = outer_[a];
    if (++cursor.index[a] < axis.extent) {
      for (size_t i = 0; i < kMostOperands; ++i) cursor.operand[i] += axis.strides[i];
      return;
    }
    cursor.index[a] = 0;
    for (size_t i = 0; i < kMostOperands; ++i) {
      cursor.operand[i] -= (axis.extent - 1) * axis.strides[i];
    }
  }
}

}  // namespace ephemeralml::engine::kernels
