#include "enclave/engine/kernels/rotary.h"

#include <algorithm>

#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr size_t kRowsWorthAThread = 256;

void RotateRow(const Rotation& rotation, int64_t place, const float* from, float* to) {
  const float* cosines = rotation.cosines.data() + place * rotation.pairs;
  const float* sines = rotation.sines.data() + place * rotation.pairs;
  const int64_t step = rotation.interleaved ? 2 : 1;
  const int64_t apart = rotation.interleaved ? 1 : rotation.pairs;
  for (int64_t i = 0; i < rotation.pairs; ++i) {
    const float x = from[i * step];
    const float y = from[i * step + apart];
    to[i * step] = x * cosines[i] - y * sines[i];
    to[i * step + apart] = x * sines[i] + y * cosines[i];
  }
}

}  // namespace

Result<Rotation> ReadRotation(KernelContext& context, size_t cosines, size_t sines,
                              bool interleaved) {
  TRY_OK(RequireFloat(context, cosines));
  TRY_OK(RequireFloat(context, sines));
  const Shape& shape = context.InputShape(cosines);
  if (shape.size() != 2 || context.InputShape(sines) != shape) {
    return ShapeInvalid("cosines and sines aren't two tables with a row a place");
  }
  TRY(const TensorView cosine_view, context.Input(cosines));
  TRY(const TensorView sine_view, context.Input(sines));
  return Rotation{cosine_view.Values<float>(), sine_view.Values<float>(), shape[0], shape[1],
                  interleaved};
}

void Rotate(Threads& threads, const Rotation& rotation, const RotatedHeads& heads) {
  const int64_t count = heads.batch * heads.heads * heads.rows;
  threads.ParallelFor(static_cast<size_t>(count), kRowsWorthAThread, [&](size_t begin, size_t end) {
    for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
      const int64_t row = i % heads.rows;
      const int64_t head = i / heads.rows % heads.heads;
      const int64_t batch = i / heads.rows / heads.heads;
      const float* from = heads.from.At(batch, head, row);
      float* to = heads.to.At(batch, head, row);
      const auto place = static_cast<size_t>(batch * heads.rows + row);
      RotateRow(rotation, heads.places[place], from, to);
      std::copy(from + 2 * rotation.pairs, from + heads.columns, to + 2 * rotation.pairs);
    }
  });
}

}  // namespace ephemeralml::engine::kernels
