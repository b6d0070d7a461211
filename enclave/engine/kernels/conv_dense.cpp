#include "enclave/engine/kernels/conv_dense.h"

#include <algorithm>

#include "enclave/engine/kernels/dense.h"
#include "enclave/engine/kernels/im2col.h"

namespace ephemeralml::engine::kernels {
namespace {

// What one thread lays out at a time stays in its core's L2 cache.
constexpr int64_t kTileElements = 192 * 1024;
constexpr int64_t kLeastTilePixels = 64;
// What all threads lay out at a time, to meet every panel of a sealed kernel.
constexpr int64_t kStageElements = 4 * 1024 * 1024;
// A product with fewer rows than these is slow, so that thin panels are opened several at a time.
constexpr int64_t kLeastBlockRows = 32;

// Pixels of one image as the columns of a matrix [in channels * kernel, pixels], rows `stride`
// apart.
struct Columns {
  int64_t image = 0;
  int64_t first_pixel = 0;
  int64_t last_pixel = 0;
  const float* values = nullptr;
  int64_t stride = 0;

  int64_t count() const { return last_pixel - first_pixel; }
  Columns Part(int64_t begin, int64_t end) const {
    return {image, first_pixel + begin, first_pixel + end, values + begin, stride};
  }
};

int64_t TilePixels(int64_t elements, int64_t rows, int64_t pixels) {
  return std::min(std::max(elements / rows, kLeastTilePixels), pixels);
}

class DenseConv {
 public:
  DenseConv(KernelContext& context, const ConvShape& shape, const ConvOperands& operands)
      : context_(context), shape_(shape), operands_(operands) {}

  Done RunOpen(const float* kernel) const;
  Done RunSealed(const weights::PanelStream& kernel) const;

 private:
  const float* Image(int64_t image) const {
    return operands_.x + image * shape_.in_channels * shape_.input_plane();
  }
  Columns InPlace(int64_t image) const {
    return {image, 0, shape_.output_plane(), Image(image), shape_.input_plane()};
  }

  Done RunTiles(const float* kernel, int64_t tile, int64_t begin, int64_t end) const;
  Done RunStage(const weights::PanelStream& kernel, const std::vector<Columns>& stage) const;
  Done WriteStage(const std::vector<Columns>& stage, float* target) const;
  Done MultiplyRows(const float* kernel, int64_t begin, int64_t end, const Columns& columns) const;
  Done MultiplyGroup(const float* kernel, int64_t group, int64_t begin, int64_t end,
                     const float* values, const Columns& columns) const;

  KernelContext& context_;
  const ConvShape& shape_;
  const ConvOperands& operands_;
};

// Output channels [begin, end) of one group, whose part of the columns is `values`.
Done DenseConv::MultiplyGroup(const float* kernel, int64_t group, int64_t begin, int64_t end,
                              const float* values, const Columns& columns) const {
  const int64_t plane = shape_.output_plane();
  const int64_t first = group * shape_.group_outputs() + begin;
  float* y =
      operands_.y + (columns.image * shape_.out_channels + first) * plane + columns.first_pixel;
  if (operands_.bias != nullptr) {
    for (int64_t row = 0; row < end - begin; ++row) {
      std::fill_n(y + row * plane, columns.count(), operands_.bias[first + row]);
    }
  }
  return Multiply({.rows = end - begin,
                   .inner = shape_.taps(),
                   .columns = columns.count(),
                   .a = {kernel, shape_.taps()},
                   .b = {values, columns.stride},
                   .c = y,
                   .c_stride = plane,
                   .beta = operands_.bias != nullptr ? 1.0f : 0.0f});
}

// Output channels [begin, end), over as many groups as they span. `kernel` begins with row `begin`.
Done DenseConv::MultiplyRows(const float* kernel, int64_t begin, int64_t end,
                             const Columns& columns) const {
  const int64_t outputs = shape_.group_outputs();
  for (int64_t row = begin; row < end;) {
    const int64_t group = row / outputs;
    const int64_t next = std::min(end, (group + 1) * outputs);
    TRY_OK(MultiplyGroup(kernel + (row - begin) * shape_.taps(), group, row - group * outputs,
                         next - group * outputs,
                         columns.values + group * shape_.taps() * columns.stride, columns));
    row = next;
  }
  return {};
}

Done DenseConv::RunOpen(const float* kernel) const {
  const int64_t pixels = shape_.output_plane();
  const auto threads = static_cast<int64_t>(context_.threads().count());
  int64_t tile = TilePixels(kTileElements, shape_.taps(), pixels);
  // Few images with few pixels still are work for every thread.
  const int64_t share = (pixels * shape_.batch * shape_.groups + threads - 1) / threads;
  tile = std::clamp<int64_t>(share, 1, tile);
  const int64_t tiles = (pixels + tile - 1) / tile;
  const int64_t work = tile * shape_.taps() * shape_.group_outputs();
  return context_.threads().TryParallelFor(
      static_cast<size_t>(shape_.batch * shape_.groups * tiles),
      static_cast<size_t>(32 * 1024 / std::max<int64_t>(work, 1) + 1),
      [&](size_t begin, size_t end) {
        return RunTiles(kernel, tile, static_cast<int64_t>(begin), static_cast<int64_t>(end));
      });
}

// Tiles are numbered by image, then group, then pixels.
Done DenseConv::RunTiles(const float* kernel, int64_t tile, int64_t begin, int64_t end) const {
  const bool in_place = shape_.window.IsPointwise();
  const int64_t tiles = (shape_.output_plane() + tile - 1) / tile;
  ArenaBlock block;
  if (!in_place) {
    TRY(block, context_.Scratch(static_cast<size_t>(tile * shape_.taps()) * sizeof(float)));
  }
  auto* scratch = reinterpret_cast<float*>(block.bytes().data());
  for (int64_t i = begin; i < end; ++i) {
    const int64_t image = i / (tiles * shape_.groups);
    const int64_t group = i / tiles % shape_.groups;
    const int64_t first = i % tiles * tile;
    const int64_t last = std::min(first + tile, shape_.output_plane());
    const float* planes = Image(image) + group * shape_.group_inputs() * shape_.input_plane();
    Columns columns{image, first, last, planes + first, shape_.input_plane()};
    if (!in_place) {
      WriteColumns(shape_.window, planes, {0, shape_.taps(), first, last}, scratch);
      columns.values = scratch;
      columns.stride = last - first;
    }
    TRY_OK(MultiplyGroup(kernel + group * shape_.group_outputs() * shape_.taps(), group, 0,
                         shape_.group_outputs(), columns.values, columns));
  }
  return {};
}

Done DenseConv::RunSealed(const weights::PanelStream& kernel) const {
  std::vector<Columns> stage;
  if (shape_.window.IsPointwise()) {
    for (int64_t image = 0; image < shape_.batch; ++image) stage.push_back(InPlace(image));
    return RunStage(kernel, stage);
  }
  const int64_t rows = shape_.in_channels * Volume(shape_.window.kernel);
  const int64_t pixels = shape_.output_plane();
  const int64_t tile = TilePixels(kStageElements, rows, pixels);
  const int64_t most = std::min(std::max(kStageElements / rows, tile), pixels * shape_.batch);
  TRY(ArenaBlock block, context_.Scratch(static_cast<size_t>(most * rows) * sizeof(float)));
  auto* scratch = reinterpret_cast<float*>(block.bytes().data());
  int64_t staged = 0;
  for (int64_t image = 0; image < shape_.batch; ++image) {
    for (int64_t first = 0; first < pixels; first += tile) {
      const int64_t last = std::min(first + tile, pixels);
      if (staged + last - first > most) {
        TRY_OK(WriteStage(stage, scratch));
        TRY_OK(RunStage(kernel, stage));
        stage.clear();
        staged = 0;
      }
      stage.push_back({image, first, last, scratch + staged * rows, last - first});
      staged += last - first;
    }
  }
  TRY_OK(WriteStage(stage, scratch));
  return RunStage(kernel, stage);
}

Done DenseConv::WriteStage(const std::vector<Columns>& stage, float* target) const {
  const int64_t rows = shape_.in_channels * Volume(shape_.window.kernel);
  for (const Columns& columns : stage) {
    context_.threads().ParallelFor(
        static_cast<size_t>(rows), static_cast<size_t>(16 * 1024 / columns.count() + 1),
        [&](size_t begin, size_t end) {
          WriteColumns(shape_.window, Image(columns.image),
                       {static_cast<int64_t>(begin), static_cast<int64_t>(end), columns.first_pixel,
                        columns.last_pixel},
                       target);
        });
    target += rows * columns.count();
  }
  return {};
}

// Blocks of output channels go to the threads in rounds; those of the last, incomplete round are
// opened one at a time, and the threads share the pixels.
Done DenseConv::RunStage(const weights::PanelStream& kernel,
                         const std::vector<Columns>& stage) const {
  Threads& threads = context_.threads();
  const auto extent = static_cast<int64_t>(kernel.weight().panel_extent);
  const int64_t block = std::min(std::max(extent, kLeastBlockRows), shape_.out_channels);
  const auto count = static_cast<size_t>((shape_.out_channels - 1) / block + 1);
  const size_t by_block = count / threads.count() * threads.count();
  const auto open = [&](size_t i) {
    const int64_t begin = static_cast<int64_t>(i) * block;
    return kernel.OpenRows(begin, std::min(begin + block, shape_.out_channels));
  };
  const auto run_blocks = [&](size_t begin, size_t end) -> Done {
    for (size_t i = begin; i < end; ++i) {
      TRY(const weights::OpenPanel panel, open(i));
      for (const Columns& columns : stage) {
        TRY_OK(MultiplyRows(panel.Values<float>(), panel.begin(), panel.end(), columns));
      }
    }
    return {};
  };
  TRY_OK(threads.TryParallelFor(by_block, 1, run_blocks));
  for (size_t i = by_block; i < count; ++i) {
    TRY(const weights::OpenPanel panel, open(i));
    for (const Columns& columns : stage) {
      const auto run_pixels = [&](size_t begin, size_t end) {
        return MultiplyRows(panel.Values<float>(), panel.begin(), panel.end(),
                            columns.Part(static_cast<int64_t>(begin), static_cast<int64_t>(end)));
      };
      TRY_OK(threads.TryParallelFor(static_cast<size_t>(columns.count()), 64, run_pixels));
    }
  }
  return {};
}

}  // namespace

Done ConvOpen(KernelContext& context, const ConvShape& shape, const ConvOperands& operands,
              const float* kernel) {
  return DenseConv(context, shape, operands).RunOpen(kernel);
}

Done ConvSealed(KernelContext& context, const ConvShape& shape, const ConvOperands& operands,
                const weights::PanelStream& kernel) {
  return DenseConv(context, shape, operands).RunSealed(kernel);
}

}  // namespace ephemeralml::engine::kernels
