#include <algorithm>

#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/matrix_stacks.h"

namespace ephemeralml::engine::kernels {
namespace {

Product ProductAt(const Stacks& s, const float* a, const float* b, float* c) {
  return {s.rows, s.inner, s.columns, {a, s.inner}, {b, s.columns}, c, s.columns};
}

/// NumPy's matmul. Types: float32.
/// Errors: kUnsupported `type_unsupported`; kMalformed `shape_invalid`, `input_invalid`.
/// Source: ONNX operator MatMul, versions 1 to 13.
class MatMul final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY_OK(RequireFloat(context, 0));
    TRY_OK(RequireFloat(context, 1));
    const Shape& a = context.InputShape(0);
    const Shape& b = context.InputShape(1);
    TRY(const Stacks stacks, ReadStacks(a, b));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, stacks.output));
    const std::span<float> c = output->MutableValues<float>();
    if (c.empty() || stacks.inner == 0) return {};
    // Rows of a whole stack are the rows of one tall matrix, if all meet the same B. But a sealed
    // stack comes in slabs, not in rows.
    const bool slabs_of_a = a.size() > 2 && context.IsWeight(0) && !context.IsWeight(1);
    if (b.size() <= 2 && !slabs_of_a) {
      TRY(const size_t elements, ElementCount(a));
      const bool column = a.size() == 1 && context.IsWeight(0);
      return MultiplyInputs(
          context,
          column ? MatrixInput{0, stacks.inner, 1, true}
                 : MatrixInput{0, static_cast<int64_t>(elements) / stacks.inner, stacks.inner},
          {1, stacks.inner, stacks.columns}, c.data(), 1, 0);
    }
    TRY(const size_t count, ElementCount(stacks.c));
    const std::vector<Place> places = Places(stacks, static_cast<int64_t>(count));
    if (context.IsWeight(1)) return RunSealed(context, stacks, places, Side::kB, c.data());
    if (context.IsWeight(0)) return RunSealed(context, stacks, places, Side::kA, c.data());
    return RunPlain(context, stacks, places, c.data());
  }

 private:
  static Done RunPlain(KernelContext& context, const Stacks& s, const std::vector<Place>& places,
                       float* c) {
    TRY(const TensorView a_view, context.Input(0));
    TRY(const TensorView b_view, context.Input(1));
    const float* a = a_view.Values<float>().data();
    const float* b = b_view.Values<float>().data();
    if (places.size() < context.threads().count()) {
      for (const Place& place : places) {
        TRY_OK(MultiplyOn(context.threads(), ProductAt(s, a + place.a, b + place.b, c + place.c)));
      }
      return {};
    }
    const auto work = static_cast<size_t>(s.rows * s.inner * s.columns);
    return context.threads().TryParallelFor(
        places.size(), 64 * 1024 / work + 1, [&](size_t begin, size_t end) -> Done {
          for (size_t i = begin; i < end; ++i) {
            const Place& place = places[i];
            TRY_OK(Multiply(ProductAt(s, a + place.a, b + place.b, c + place.c)));
          }
          return {};
        });
  }

  // A sealed stack of matrices is cut along its first axis: one slab of it is open at a time.
  static Done RunSealed(KernelContext& context, const Stacks& s, const std::vector<Place>& places,
                        Side side, float* c) {
    const size_t sealed = side == Side::kA ? 0 : 1;
    TRY(const TensorView other_view, context.Input(1 - sealed));
    const float* other = other_view.Values<float>().data();
    const Shape& shape = context.InputShape(sealed);
    if (shape.size() <= 2) return RunSealedMatrix(context, s, places, other, c);
    TRY(const weights::PanelStream panels, context.Panels(sealed));
    TRY(const size_t elements, ElementCount(shape));
    const int64_t slab = static_cast<int64_t>(elements) / shape[0];
    for (int64_t row = 0; row < shape[0]; ++row) {
      TRY(const weights::OpenPanel open, panels.OpenRows(row, row + 1));
      for (const Place& place : places) {
        const int64_t begin = (side == Side::kA ? place.a : place.b) - row * slab;
        if (begin < 0 || begin >= slab) continue;
        const float* here = open.Values<float>() + begin;
        const Product product = side == Side::kA ? ProductAt(s, here, other + place.b, c + place.c)
                                                 : ProductAt(s, other + place.a, here, c + place.c);
        TRY_OK(MultiplyOn(context.threads(), product));
      }
    }
    return {};
  }

  // One sealed matrix A meets a stack of B's.
  static Done RunSealedMatrix(KernelContext& context, const Stacks& s,
                              const std::vector<Place>& places, const float* b, float* c) {
    TRY(const TensorView a, context.Input(0));
    for (const Place& place : places) {
      TRY_OK(MultiplyOn(context.threads(),
                        ProductAt(s, a.Values<float>().data(), b + place.b, c + place.c)));
    }
    return {};
  }
};

}  // namespace

MadeKernel MakeMatMul(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  return std::make_unique<MatMul>();
}

}  // namespace ephemeralml::engine::kernels
