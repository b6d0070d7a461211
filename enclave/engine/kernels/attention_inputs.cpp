#include "enclave/engine/kernels/attention_inputs.h"

#include <algorithm>
#include <limits>

#include "common/base/checked.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr size_t kRowsWorthAThread = 1024;
constexpr float kHidden = -std::numeric_limits<float>::infinity();

// A mask's rows as floats, `keys` of each: what isn't there is hidden.
void FillMask(const TensorView& given, int64_t columns, int64_t keys, std::span<float> filled) {
  std::ranges::fill(filled, kHidden);
  const auto rows = static_cast<int64_t>(filled.size()) / keys;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < columns; ++i) {
      const auto from = static_cast<size_t>(row * columns + i);
      float& to = filled[static_cast<size_t>(row * keys + i)];
      if (given.type == ElementType::kFloat) {
        to = given.Values<float>()[from];
      } else {
        to = given.bytes[from] != 0 ? 0 : kHidden;
      }
    }
  }
}

}  // namespace

Result<HeadsView> ReadHeads(KernelContext& context, size_t index, int64_t heads) {
  TRY_OK(RequireFloat(context, index));
  const Shape& shape = context.InputShape(index);
  if (shape.size() != 3 && shape.size() != 4) {
    return ShapeInvalid("attention: an operand has neither three nor four axes");
  }
  const bool is_flat = shape.size() == 3;
  if (is_flat ? heads < 1 || shape[2] % heads != 0 : heads != 0 && shape[1] != heads) {
    return ShapeInvalid("attention: an operand hasn't that many heads");
  }
  TRY(const TensorView view, context.Input(index));
  const float* values = view.Values<float>().data();
  HeadsView read;
  read.batch = shape[0];
  read.heads = is_flat ? heads : shape[1];
  read.rows = shape[is_flat ? 1 : 2];
  read.columns = is_flat ? shape[2] / heads : shape[3];
  // Of an empty tensor the other sizes may be absurd.
  if (view.bytes.empty()) return read;
  read.at = is_flat ? panels::SideBySide(values, read.rows, read.heads, read.columns)
                    : panels::HeadAfterHead(values, read.rows, read.heads, read.columns);
  return read;
}

void CopyRows(Threads& threads, const HeadsView& from, const panels::HeadRows<float>& to,
              int64_t first) {
  const int64_t count = from.batch * from.heads * from.rows;
  threads.ParallelFor(static_cast<size_t>(count), kRowsWorthAThread, [&](size_t begin, size_t end) {
    for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
      const int64_t row = i % from.rows;
      const int64_t head = i / from.rows % from.heads;
      const int64_t batch = i / from.rows / from.heads;
      std::copy_n(from.at.At(batch, head, row), from.columns, to.At(batch, head, first + row));
    }
  });
}

Result<GrownHeads> Grow(KernelContext& context, const HeadsView& added, size_t past,
                        size_t present) {
  GrownHeads grown = {added, std::nullopt};
  const bool has_past = context.HasInput(past);
  if (!has_past && !context.WantsOutput(present)) return grown;
  HeadsView before;
  if (has_past) {
    if (context.InputShape(past).size() != 4)
      return ShapeInvalid("attention: a cache hasn't four axes");
    TRY(before, ReadHeads(context, past, added.heads));
    if (before.batch != added.batch || before.columns != added.columns) {
      return ShapeInvalid("attention: a cache doesn't fit what is added to it");
    }
  }
  TRY(const int64_t rows, CheckedAdd(before.rows, added.rows));
  const Shape shape = {added.batch, added.heads, rows, added.columns};
  float* values = nullptr;
  if (context.WantsOutput(present)) {
    TRY(Tensor * output, context.Output(present, ElementType::kFloat, shape));
    values = output->MutableValues<float>().data();
  } else {
    TRY(const size_t bytes, ByteCount(ElementType::kFloat, shape));
    TRY(grown.scratch, context.Scratch(bytes));
    values = reinterpret_cast<float*>(grown.scratch->bytes().data());
  }
  grown.heads.rows = rows;
  TRY(const size_t count, ElementCount(shape));
  if (count == 0) return grown;
  const auto at = panels::HeadAfterHead(values, rows, added.heads, added.columns);
  CopyRows(context.threads(), before, at, 0);
  CopyRows(context.threads(), added, at, before.rows);
  grown.heads.at = {values, at.batch_stride, at.head_stride, at.row_stride};
  return grown;
}

Result<MaskView> ReadMask(KernelContext& context, size_t index,
                          const panels::AttentionShape& shape) {
  TRY(const TensorView given, RequiredInput(context, index));
  if (given.type != ElementType::kFloat && given.type != ElementType::kBool) {
    return TypeUnsupported(given.type);
  }
  const size_t axes = given.shape.size();
  if (axes == 0 || axes > 4 || given.shape.back() > shape.keys) {
    return ShapeInvalid("attention: the mask has another number of axes, or too many columns");
  }
  const Shape full = {shape.batch, shape.heads, shape.queries};
  int64_t strides[3] = {};
  int64_t stride = shape.keys;
  for (size_t i = 1; i < axes; ++i) {
    const int64_t extent = given.shape[axes - 1 - i];
    if (extent != 1 && extent != full[3 - i]) {
      return ShapeInvalid("attention: the mask doesn't broadcast to the scores");
    }
    if (extent != 1) strides[3 - i] = stride;
    stride *= extent;
  }
  MaskView read;
  read.mask = {nullptr, strides[0], strides[1], strides[2]};
  if (given.type == ElementType::kFloat && given.shape.back() == shape.keys) {
    read.mask.values = given.Values<float>().data();
    return read;
  }
  Shape filled = given.shape;
  filled.back() = shape.keys;
  TRY(const size_t bytes, ByteCount(ElementType::kFloat, filled));
  TRY(read.scratch, context.Scratch(bytes));
  auto* values = reinterpret_cast<float*>(read.scratch->bytes().data());
  if (bytes > 0) FillMask(given, given.shape.back(), shape.keys, {values, bytes / sizeof(float)});
  read.mask.values = values;
  return read;
}

Result<panels::AttentionShape> FitHeads(const HeadsView& queries, const HeadsView& keys,
                                        const HeadsView& values) {
  if (keys.batch != queries.batch || values.batch != queries.batch || values.rows != keys.rows ||
      values.heads != keys.heads || keys.columns != queries.columns) {
    return ShapeInvalid("attention: queries, keys and values don't fit");
  }
  if (keys.heads < 1 || queries.heads < 1 || queries.heads % keys.heads != 0) {
    return ShapeInvalid("attention: the heads don't share the keys' evenly");
  }
  if (queries.columns < 1 || values.columns < 1)
    return ShapeInvalid("attention: a head has no columns");
  // Rows of all heads are counted from here on.
  TRY_OK(ElementCount({queries.heads, queries.columns}));
  TRY_OK(ElementCount({queries.heads, values.columns}));
  return panels::AttentionShape{.batch = queries.batch,
                                .heads = queries.heads,
                                .key_heads = keys.heads,
                                .queries = queries.rows,
                                .keys = keys.rows,
                                .head_columns = queries.columns,
                                .value_columns = values.columns};
}

}  // namespace ephemeralml::engine::kernels
