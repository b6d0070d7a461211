#pragma once
// One routine under all operators that only move elements: it copies a box of elements between two
// layouts given by strides. Called with offsets and strides that the operator has checked.

#include <vector>

#include "enclave/engine/base/tensor.h"
#include "enclave/engine/base/threads.h"

namespace ephemeralml::engine::kernels {

/// One axis of a box: how many elements, and how far apart (in elements; negative or 0 in the
/// source).
struct BoxAxis {
  int64_t extent = 0;
  int64_t source_stride = 0;
  int64_t target_stride = 0;
};

/// Copies the box whose first element lies at `source` and goes to `target`. Elements are
/// `element_bytes` (1, 2, 4 or 8) wide. Distinct elements of the box have distinct targets, and all
/// lie within the caller's memory; a box with an extent of 0 is empty.
void CopyBox(Threads& threads, size_t element_bytes, const std::vector<BoxAxis>& box,
             const uint8_t* source, uint8_t* target);

/// Fills a row-major target of this shape (of at least one axis, and not empty): the element at an
/// index is the source's at the sum of the axes' offsets there, in elements, one for each index of
/// the axis.
void CopyByOffsets(Threads& threads, size_t element_bytes, const Shape& shape,
                   const std::vector<const int64_t*>& offsets, const uint8_t* source,
                   uint8_t* target);

}  // namespace ephemeralml::engine::kernels
