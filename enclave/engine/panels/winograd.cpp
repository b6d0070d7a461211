#include "enclave/engine/panels/winograd.h"

#include <algorithm>
#include <vector>

#include "enclave/engine/panels/panel_shares.h"
#include "enclave/engine/panels/winograd_tiles.h"

namespace ephemeralml::engine::panels {
namespace {

// A block of tiles and what it needs of a panel stay in the second cache.
constexpr int64_t BlockTilesOf(int64_t side) { return side == 2 ? 28 : 14; }
constexpr int64_t kLeastTiles = 24;
constexpr int64_t kLeastChannels = 32;
// Channels whose weights are open at once, transformed: with a picture of so few that their sums
// needn't wait for other channels', all of them.
constexpr int64_t kPieceBlocks = 4;
constexpr int64_t MostPieceBlocksOf(int64_t side) { return side == 2 ? 8 : kPieceBlocks; }
// Blocks of channels that one reading of the weight opens: as many as a window is for.
constexpr int64_t kReadBlocks = 2;
// Of one thread's tiles the sums that may wait for other channels': 8 MiB.
constexpr int64_t kMostWaitingSums = 2048 * 16;

// Floats between two positions' values. Without them all positions would share one set of the first
// cache while a transform writes them.
constexpr int64_t kApart = 16;

int64_t BlocksOf(int64_t channels) { return (channels + 15) / 16; }

// Tiles of four take fewer products of a pixel than tiles of two, 36 of 16 in place of 16 of 4, and
// more of a weight's transform: they are for pictures of many tiles.
struct Cut {
  Cut(int64_t height, int64_t width) : Cut(4, height, width) {
    if (tiles() < kLeastTiles) *this = Cut(2, height, width);
  }

  int64_t tiles() const { return lines * in_line; }

  int64_t side;
  int64_t lines;
  int64_t in_line;

 private:
  Cut(int64_t tile_side, int64_t height, int64_t width)
      : side(tile_side), lines((height + side - 1) / side), in_line((width + side - 1) / side) {}
};

// The sizes that all panels share.
struct Sizes {
  Sizes(const wire::PackedShape& shape, const WinogradConvolution& c)
      : channels(static_cast<int64_t>(shape.steps) / kTileTaps),
        cut(c.height, c.width),
        positions(PositionsOf(cut.side)),
        block_tiles(BlockTilesOf(cut.side)),
        tile_blocks((cut.tiles() + block_tiles - 1) / block_tiles),
        piece_blocks(c.blocks <= MostPieceBlocksOf(cut.side) ? c.blocks : kPieceBlocks),
        pieces((c.blocks + piece_blocks - 1) / piece_blocks) {}

  int64_t channels;
  Cut cut;  // of a picture
  int64_t positions;
  int64_t block_tiles;
  int64_t tile_blocks;  // of a picture
  int64_t piece_blocks;
  int64_t pieces;

  // The transformed weights of one position, for so many columns.
  int64_t PositionFloats(int64_t width) const { return piece_blocks * 16 * width + kApart; }

  // Block `block` of all pictures'.
  Tiles TilesAt(int64_t block) const {
    const int64_t first = block % tile_blocks * block_tiles;
    return {cut.side, first, std::min(block_tiles, cut.tiles() - first), cut.in_line};
  }
};

float* Floats(MutableByteSpan bytes) { return reinterpret_cast<float*>(bytes.data()); }

// One thread's work on some of a panel's tiles.
class PanelConvolution {
 public:
  PanelConvolution(const WinogradConvolution& convolution, const Sizes& sizes,
                   const wire::PackedShape& shape, int64_t panel)
      : c_(convolution),
        sizes_(sizes),
        has_bias_(shape.has_bias),
        panel_(panel),
        width_(static_cast<int64_t>(shape.WidthOf(static_cast<uint64_t>(panel)))),
        columns_(static_cast<int64_t>(shape.ColumnsOf(static_cast<uint64_t>(panel)))) {}

  Done Run(KernelContext& context, const PanelBlocks& work) {
    const int64_t begin = work.begin;
    const int64_t end = work.end;
    weights_ = Floats(work.derived.Renew());
    bias_ = weights_ + sizes_.positions * PositionFloats();
    // Where a sum is whole after one piece it needn't wait beside others.
    sums_blocks_ = sizes_.pieces == 1 ? 1 : end - begin;
    const int64_t block_inputs =
        sizes_.positions * (sizes_.piece_blocks * sizes_.block_tiles * 16 + kApart);
    TRY(ArenaBlock scratch,
        context.arena().AllocateToOverwrite(Bytes(block_inputs + sums_blocks_ * BlockSums())));
    inputs_ = Floats(scratch.bytes());
    sums_ = inputs_ + block_inputs;
    for (int64_t piece = 0; piece < sizes_.pieces; ++piece) {
      TRY_OK(OpenPiece(work.reader, piece));
      Upcoming upcoming = UpcomingDuring(work.reader, work.ahead, end - begin);
      for (int64_t block = begin; block < end; ++block) {
        RunBlock(piece, block, sums_ + (block - begin) % sums_blocks_ * BlockSums(), upcoming);
      }
    }
    if (!c_.input_is_weight) scratch.Discard();
    return {};
  }

 private:
  static size_t Bytes(int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); }
  int64_t PositionFloats() const { return sizes_.PositionFloats(width_); }
  int64_t BlockSums() const { return sizes_.positions * sizes_.block_tiles * width_; }
  int64_t BlocksOfPiece(int64_t piece) const {
    return std::min(sizes_.piece_blocks, c_.blocks - piece * sizes_.piece_blocks);
  }
  int64_t ChannelsOf(int64_t block) const {
    return std::min<int64_t>(16, sizes_.channels - block * 16);
  }

  Done OpenPiece(weights::PanelReader& reader, int64_t piece) {
    const int64_t blocks = BlocksOfPiece(piece);
    for (int64_t block = 0; block < blocks; block += kReadBlocks) {
      const int64_t first = piece * sizes_.piece_blocks + block;
      const int64_t count = std::min(kReadBlocks, blocks - block);
      const bool with_bias = first == 0 && has_bias_;
      int64_t rows = with_bias ? 1 : 0;
      for (int64_t i = 0; i < count; ++i) rows += ChannelsOf(first + i) * kTileTaps;
      TRY(const ByteSpan open, reader.Next(Bytes(rows * width_)));
      const auto* values = reinterpret_cast<const float*>(open.data());
      if (with_bias) {
        std::copy_n(values, width_, bias_);
        values += width_;
      }
      for (int64_t i = 0; i < count; ++i) {
        const int64_t channels = ChannelsOf(first + i);
        TransformWeights(sizes_.cut.side, values, channels, width_,
                         weights_ + (block + i) * 16 * width_, PositionFloats());
        values += channels * kTileTaps * width_;
      }
    }
    return {};
  }

  // As many sealed bytes as a piece takes, over the time that this one takes.
  Upcoming UpcomingDuring(const weights::PanelReader& reader, ByteSpan ahead,
                          int64_t tile_blocks) const {
    const int64_t steps = sizes_.piece_blocks * 16;
    ByteSpan sealed = reader.Upcoming();
    if (sealed.empty()) sealed = ahead;
    sealed = sealed.first(std::min(sealed.size(), Bytes(steps * kTileTaps * width_)));
    return SpreadOver(sealed, tile_blocks * sizes_.block_tiles * sizes_.positions, steps);
  }

  void RunBlock(int64_t piece, int64_t block, float* sums, Upcoming& upcoming) const {
    const Tiles tiles = sizes_.TilesAt(block);
    const int64_t image = block / sizes_.tile_blocks;
    const int64_t blocks = BlocksOfPiece(piece);
    const int64_t first = piece * sizes_.piece_blocks;
    const int64_t plane = c_.input_height * c_.input_width * 16;
    const int64_t position = blocks * tiles.count * 16 + kApart;
    std::vector<Segment> segments;
    for (int64_t i = 0; i < blocks; ++i) {
      const float* const input = c_.input + (image * c_.blocks + first + i) * plane;
      TransformInput({input, c_.input_height, c_.input_width, c_.above, c_.before}, tiles,
                     inputs_ + i * tiles.count * 16, position);
      segments.push_back({i * tiles.count * 16, ChannelsOf(first + i)});
    }
    Piece product;
    product.weights_stride = product.width = product.columns = width_;
    product.segments = segments;
    product.is_first = piece == 0;
    for (int64_t i = 0; i < sizes_.positions; ++i) {
      product.weights = weights_ + i * PositionFloats();
      MultiplyPiece(product, {16, width_, 16},
                    {inputs_ + i * position, sums + i * tiles.count * width_, nullptr, tiles.count},
                    {}, upcoming);
    }
    if (piece + 1 == sizes_.pieces) Finish(image, tiles, sums);
  }

  void Finish(int64_t image, const Tiles& tiles, const float* sums) const {
    const int64_t group = c_.height * c_.width * 16;
    const int64_t at =
        (image * c_.result_blocks + panel_ * static_cast<int64_t>(wire::kPanelColumns) / 16) *
        group;
    const Bounds bounds = c_.residual == nullptr ? Bounds::Of(c_.epilogue) : Bounds();
    TransformSums(sums, width_, tiles, has_bias_ ? bias_ : nullptr, bounds,
                  {c_.result + at, group, c_.height, c_.width, columns_});
    if (bounds.is_bounded) return;
    if (c_.residual == nullptr && c_.epilogue.activation == Activation::kNone) return;
    const int64_t side = tiles.side;
    for (int64_t tile = 0; tile < tiles.count; ++tile) {
      const int64_t column = side * tiles.Column(tile);
      const int64_t end = std::min(c_.height, side * (tiles.Line(tile) + 1));
      for (int64_t y = side * tiles.Line(tile); y < end; ++y) {
        const int64_t pixel = at + (y * c_.width + column) * 16;
        FinishRows(
            {0, 16, group},
            {nullptr, c_.result + pixel, c_.residual == nullptr ? nullptr : c_.residual + pixel,
             std::min(side, c_.width - column)},
            columns_, c_.epilogue);
      }
    }
  }

  const WinogradConvolution& c_;
  const Sizes& sizes_;
  bool has_bias_;
  int64_t panel_;
  int64_t width_;
  int64_t columns_;
  float* weights_ = nullptr;  // [positions, channels of a piece, width_]
  float* bias_ = nullptr;     // [width_]
  float* inputs_ = nullptr;   // [positions, blocks of a piece, tiles, 16]
  float* sums_ = nullptr;     // [sums_blocks_, positions, tiles, width_]
  int64_t sums_blocks_ = 0;
};

}  // namespace

bool SuitsWinograd(int64_t channels, int64_t columns, int64_t images, int64_t height,
                   int64_t width) {
  const Cut cut(height, width);
  if (channels < kLeastChannels || columns < kLeastChannels || cut.tiles() < kLeastTiles) {
    return false;
  }
  return BlocksOf(channels) <= MostPieceBlocksOf(cut.side) ||
         images <= kMostWaitingSums / PositionsOf(cut.side) / cut.tiles();
}

Done ConvolveByTiles(KernelContext& context, const weights::PackedWeight& weight,
                     const WinogradConvolution& convolution) {
  const Sizes sizes(weight.shape(), convolution);
  // For each tile and channel a product for each position, in place of a pixel's 9 steps.
  const int64_t rows = convolution.images * sizes.cut.tiles() * sizes.positions / kTileTaps;
  const auto width = static_cast<int64_t>(weight.shape().WidthOf(0));
  const int64_t derived = sizes.positions * sizes.PositionFloats(width) + width;
  const PanelJob job = {.weight = &weight,
                        .work = {.blocks = convolution.images * sizes.tile_blocks, .rows = rows},
                        .run =
                            [&](const PanelBlocks& blocks) {
                              PanelConvolution work(convolution, sizes, weight.shape(),
                                                    blocks.panel);
                              return work.Run(context, blocks);
                            },
                        .derived_bytes = static_cast<size_t>(derived) * sizeof(float)};
  return RunOnPanels(context, {&job, 1});
}

}  // namespace ephemeralml::engine::panels
