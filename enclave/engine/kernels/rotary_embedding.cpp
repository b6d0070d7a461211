#include <algorithm>
#include <numeric>

#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/rotary.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Which input is which, and what a head's columns are where the node doesn't say.
struct RotaryForm {
  size_t cosines = 1;
  size_t sines = 2;
  size_t places = 3;
  bool is_contributed = false;
};

/// Turns pairs of columns by their row's place. Shapes: X [B, S, heads * D] or [B, heads, S, D], Y
/// as X; tables [places, pairs] with places [B, S], or [1] of the contributed form (the first
/// row's); without places [B, S, pairs]. Types: float32. Sources: ONNX operator RotaryEmbedding,
/// version 23; ONNX Runtime's com.microsoft.RotaryEmbedding.
class RotaryEmbedding final : public Kernel {
 public:
  RotaryEmbedding(const RotaryForm& form, int64_t heads, int64_t columns, bool interleaved)
      : form_(form), heads_(heads), columns_(columns), interleaved_(interleaved) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    if (input.type != ElementType::kFloat) return TypeUnsupported(input.type);
    RotatedHeads heads;
    TRY(const Rotation rotation, ReadTables(context, input.shape));
    TRY_OK(ReadHeads(input, rotation, heads));
    const int64_t turned = columns_ != 0 ? columns_ : heads.columns;
    if (turned != 2 * rotation.pairs || turned > heads.columns) {
      return ShapeInvalid("RotaryEmbedding: the tables' columns aren't half of those to be turned");
    }
    TRY(Tensor * output, context.Output(0, input.type, input.shape));
    const std::span<float> y = output->MutableValues<float>();
    // Of an empty tensor the other sizes may be absurd.
    if (y.empty()) return {};
    TRY(const std::vector<int64_t> places, ReadPlaces(context, heads, rotation));
    heads.places = places;
    heads.to = {y.data(), heads.from.batch_stride, heads.from.head_stride, heads.from.row_stride};
    Rotate(context.threads(), rotation, heads);
    return {};
  }

 private:
  // Without places each row of each of the batch has a row of its own in the tables.
  Result<Rotation> ReadTables(KernelContext& context, const Shape& x) const {
    if (context.HasInput(form_.places)) {
      return ReadRotation(context, form_.cosines, form_.sines, interleaved_);
    }
    TRY(const TensorView cosines, RequiredInput(context, form_.cosines));
    TRY(const TensorView sines, RequiredInput(context, form_.sines));
    if (cosines.type != ElementType::kFloat) return TypeUnsupported(cosines.type);
    if (sines.type != ElementType::kFloat) return TypeUnsupported(sines.type);
    const Shape& shape = cosines.shape;
    const bool fits = shape.size() == 3 && sines.shape == shape &&
                      (x.size() == 3 || x.size() == 4) && shape[0] == x[0] &&
                      shape[1] == x[x.size() - 2];
    if (!fits) return ShapeInvalid("RotaryEmbedding: no row of the tables for each row");
    return Rotation{cosines.Values<float>(), sines.Values<float>(), shape[0] * shape[1], shape[2],
                    interleaved_};
  }

  Done ReadHeads(const TensorView& input, const Rotation& rotation, RotatedHeads& heads) const {
    const Shape& x = input.shape;
    if (x.size() != 3 && x.size() != 4) {
      return ShapeInvalid("RotaryEmbedding: the input has neither three nor four axes");
    }
    heads.batch = x[0];
    heads.rows = x[x.size() - 2];
    const float* values = input.Values<float>().data();
    if (x.size() == 4) {
      heads.heads = x[1];
      heads.columns = x[3];
      heads.from = panels::HeadAfterHead(values, heads.rows, heads.heads, heads.columns);
      return {};
    }
    int64_t count = heads_;
    if (count == 0 && form_.is_contributed && rotation.pairs > 0)
      count = x[2] / (2 * rotation.pairs);
    if (count < 1 || x[2] % count != 0) {
      return ShapeInvalid("RotaryEmbedding: the heads don't share the columns out evenly");
    }
    heads.heads = count;
    heads.columns = x[2] / count;
    heads.from = panels::SideBySide(values, heads.rows, heads.heads, heads.columns);
    return {};
  }

  Result<std::vector<int64_t>> ReadPlaces(KernelContext& context, const RotatedHeads& heads,
                                          const Rotation& rotation) const {
    std::vector<int64_t> places(static_cast<size_t>(heads.batch * heads.rows));
    std::iota(places.begin(), places.end(), 0);
    if (!context.HasInput(form_.places)) return places;
    const Shape& shape = context.InputShape(form_.places);
    TRY(const std::vector<int64_t> given, ReadIndexTensor(context, form_.places));
    if (shape == Shape{heads.batch, heads.rows}) {
      places = given;
    } else if (form_.is_contributed && given.size() == 1) {
      if (given[0] >= rotation.places) return InputInvalid("RotaryEmbedding: a place lies outside");
      for (int64_t& place : places) place = place % heads.rows + given[0];
    } else {
      return ShapeInvalid("RotaryEmbedding: no place for each row");
    }
    const auto is_outside = [&](int64_t at) { return at < 0 || at >= rotation.places; };
    if (std::ranges::any_of(places, is_outside)) {
      return InputInvalid("RotaryEmbedding: a place lies outside the tables");
    }
    return places;
  }

  RotaryForm form_;
  int64_t heads_;
  int64_t columns_;
  bool interleaved_;
};

MadeKernel MakeOfForm(const NodeSpec& node, const RotaryForm& form) {
  TRY(const int64_t heads, node.attributes.Int("num_heads", 0));
  TRY(const int64_t columns, node.attributes.Int("rotary_embedding_dim", 0));
  TRY(const int64_t interleaved, node.attributes.Int("interleaved", 0));
  if (heads < 0) return AttributeInvalid("RotaryEmbedding: num_heads is negative");
  if (columns < 0 || columns % 2 != 0) {
    return AttributeInvalid("RotaryEmbedding: rotary_embedding_dim is negative or odd");
  }
  return std::make_unique<RotaryEmbedding>(form, heads, columns, interleaved != 0);
}

}  // namespace

MadeKernel MakeRotaryEmbedding(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 4}));
  return MakeOfForm(node, {});
}

MadeKernel MakeContributedRotaryEmbedding(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 4, .most_inputs = 4}));
  TRY(const int64_t packed, node.attributes.Int("is_packed_batching", 0));
  if (packed != 0) {
    return Error{Code::kUnsupported, "operator_unsupported",
                 "RotaryEmbedding: packed batches aren't supported"};
  }
  return MakeOfForm(node, {.cosines = 2, .sines = 3, .places = 1, .is_contributed = true});
}

}  // namespace ephemeralml::engine::kernels
