#include "enclave/engine/panels/panel_product.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "enclave/engine/panels/pair_tile.h"
#include "enclave/engine/panels/panel_shares.h"

namespace ephemeralml::engine::panels {
namespace {

constexpr int64_t kMostPieceSteps =
    static_cast<int64_t>(kLargestPieceBytes / (wire::kPanelColumns * sizeof(float))) - 1;
// Rows that are handed out together: whole tiles of every height but the rare ones.
constexpr int64_t kBlockRows = 14;
// Of a panel's whole width in the time of a tile, mostly: tiles are twice as high and half as wide.
constexpr int64_t kTileRows = 7;
// Of what comes next: more at once would stand in the way of the weights.
constexpr int64_t kMostLinesAtOnce = 4;
// Below this many multiplications waking another thread costs more than it brings.
constexpr int64_t kWorthAThread = 128 * 1024;

// A run of segments, cut so that a piece holds it.
struct Cut {
  std::vector<Segment> segments;
  int64_t steps = 0;
};

std::vector<Cut> CutSum(std::span<const Segment> segments, int64_t all_steps) {
  const int64_t count = std::max<int64_t>((all_steps + kMostPieceSteps - 1) / kMostPieceSteps, 1);
  const int64_t most = (all_steps + count - 1) / count;
  std::vector<Cut> cuts(1);
  for (Segment rest : segments) {
    while (rest.steps > 0) {
      if (cuts.back().steps == most) cuts.emplace_back();
      Cut& cut = cuts.back();
      const int64_t steps = std::min(rest.steps, most - cut.steps);
      cut.segments.push_back({rest.offset, steps});
      cut.steps += steps;
      rest = {rest.offset + steps, rest.steps - steps};
    }
  }
  return cuts;
}

// One product, and how it is shared out. The units of work are blocks of rows of one panel, in the
// order of panels: a thread's share is a run of them, so that it opens a run of panels, and at most
// the panels at its ends are opened by another thread too.
class Sharing {
 public:
  Sharing(const weights::PackedWeight& weight, const Product& product)
      : weight_(weight),
        shape_(weight.shape()),
        product_(product),
        cuts_(CutSum(product.segments, static_cast<int64_t>(shape_.steps))),
        blocks_(std::max<int64_t>((product.lines.rows + kBlockRows - 1) / kBlockRows, 1)),
        blocks_per_panel_(product.lines.images * product.lines.lines * blocks_) {}

  int64_t units() const { return static_cast<int64_t>(shape_.panel_count()) * blocks_per_panel_; }

  void ShareOut(size_t shares) {
    const Lines& lines = product_.lines;
    const std::vector<int64_t> ends =
        CutIntoShares(shape_, blocks_per_panel_, lines.images * lines.lines * lines.rows, shares);
    shares_ = std::vector<Share>(shares);
    for (size_t i = 0; i < shares; ++i) {
      Share& share = shares_[i];
      share.begin = i == 0 ? 0 : ends[i - 1];
      share.end = ends[i];
      if (share.begin < share.end) {
        share.panels.Set(share.begin / blocks_per_panel_, PanelsUntil(share.end));
      }
    }
  }

  // A share, and when that is done what nobody has begun of the others.
  Done Run(size_t index, MutableByteSpan window) {
    TRY_OK(RunOwn(shares_[index], window));
    for (size_t i = 1; i < shares_.size(); ++i) {
      Share& other = shares_[(index + i) % shares_.size()];
      while (const std::optional<int64_t> panel = other.panels.TakeLast()) {
        weights::PanelReader reader = Read(*panel, *panel + 1, window);
        TRY_OK(RunPanel(reader, *panel, other));
      }
    }
    return {};
  }

 private:
  // The units [begin, end); of the panels at its ends, perhaps a part.
  struct Share {
    int64_t begin = 0;
    int64_t end = 0;
    PanelQueue panels;
  };

  int64_t PanelsUntil(int64_t unit) const {
    return (unit + blocks_per_panel_ - 1) / blocks_per_panel_;
  }

  weights::PanelReader Read(int64_t first, int64_t last, MutableByteSpan window) const {
    return weight_.Read(static_cast<uint64_t>(first), static_cast<uint64_t>(last), window);
  }

  Done RunOwn(Share& share, MutableByteSpan window) {
    std::optional<int64_t> panel = share.panels.TakeFirst();
    if (!panel) return {};
    weights::PanelReader reader = Read(*panel, PanelsUntil(share.end), window);
    for (; panel; panel = share.panels.TakeFirst()) TRY_OK(RunPanel(reader, *panel, share));
    return {};
  }

  // What a share has of one panel.
  Done RunPanel(weights::PanelReader& reader, int64_t panel, const Share& share) const {
    const int64_t base = panel * blocks_per_panel_;
    const int64_t begin = std::max(share.begin - base, int64_t{0});
    const int64_t end = std::min(share.end - base, blocks_per_panel_);
    const auto index = static_cast<uint64_t>(panel);
    Piece piece;
    piece.width = static_cast<int64_t>(shape_.WidthOf(index));
    piece.weights_stride = piece.width;
    piece.columns = static_cast<int64_t>(shape_.ColumnsOf(index));
    for (size_t i = 0; i < cuts_.size(); ++i) {
      const bool with_bias = i == 0 && shape_.has_bias;
      const int64_t rows = cuts_[i].steps + (with_bias ? 1 : 0);
      TRY(const ByteSpan open,
          reader.Next(static_cast<uint64_t>(rows * piece.width) * sizeof(float)));
      const auto* values = reinterpret_cast<const float*>(open.data());
      piece.bias = with_bias ? values : nullptr;
      piece.weights = with_bias ? values + piece.width : values;
      piece.segments = cuts_[i].segments;
      piece.is_first = i == 0;
      piece.is_last = i + 1 == cuts_.size();
      RunPiece(piece, panel, begin, end, reader.Upcoming());
    }
    return {};
  }

  // As many sealed bytes as the next piece takes, over the time that this one takes.
  Upcoming Spread(ByteSpan sealed, const Piece& piece, int64_t blocks) const {
    int64_t steps = 0;
    for (const Segment& segment : piece.segments) steps += segment.steps;
    const auto bytes = static_cast<size_t>(piece.width * steps) * sizeof(float);
    sealed = sealed.first(std::min(sealed.size(), bytes));
    const int64_t rows =
        std::min(blocks * kBlockRows, blocks / blocks_ * product_.lines.rows + kBlockRows);
    const int64_t fours = std::max<int64_t>(rows / kTileRows * steps / 4, 1);
    const auto lines = static_cast<int64_t>(sealed.size() / 64) + 1;
    return {sealed.data(), sealed.data() + sealed.size(), std::max<int64_t>(fours / lines, 1),
            std::min((lines + fours - 1) / fours, kMostLinesAtOnce), 1};
  }

  // Neighbouring blocks of one line go together.
  void RunPiece(const Piece& piece, int64_t panel, int64_t begin, int64_t end,
                ByteSpan sealed) const {
    Upcoming upcoming = Spread(sealed, piece, end - begin);
    while (begin < end) {
      const int64_t line = begin / blocks_;
      const int64_t stop = std::min(end, (line + 1) * blocks_);
      const int64_t row = begin % blocks_ * kBlockRows;
      Rows rows = RowsAt(line, panel, row);
      rows.count = std::min((stop - line * blocks_) * kBlockRows, product_.lines.rows) - row;
      const auto multiply = product_.is_paired ? MultiplyPairs : MultiplyPiece;
      multiply(piece, product_.strides, rows, product_.epilogue, upcoming);
      begin = stop;
    }
  }

  Rows RowsAt(int64_t line, int64_t panel, int64_t row) const {
    const Lines& lines = product_.lines;
    const int64_t image = line / lines.lines;
    const int64_t left = image * lines.left_image + line % lines.lines * lines.left_line +
                         row * product_.strides.left;
    const int64_t result = image * lines.result_image + line % lines.lines * lines.result_line +
                           row * product_.strides.result + panel * product_.result_panel;
    return {product_.left + left, product_.result + result,
            product_.residual == nullptr ? nullptr : product_.residual + result, 0};
  }

  const weights::PackedWeight& weight_;
  const wire::PackedShape& shape_;
  const Product& product_;
  std::vector<Cut> cuts_;
  int64_t blocks_;  // of rows in a line
  int64_t blocks_per_panel_;
  std::vector<Share> shares_;
};

}  // namespace

Done MultiplyPacked(KernelContext& context, const weights::PackedWeight& weight,
                    const Product& product) {
  const Lines& lines = product.lines;
  const int64_t rows = lines.images * lines.lines * lines.rows;
  if (rows == 0) return {};
  Sharing sharing(weight, product);
  if (sharing.units() == 0) return {};
  const int64_t work = rows * static_cast<int64_t>(weight.shape().steps * weight.shape().columns);
  const auto threads = static_cast<int64_t>(context.threads().count());
  const int64_t parts =
      std::clamp<int64_t>(work / kWorthAThread, 1, std::min(threads, sharing.units()));
  sharing.ShareOut(static_cast<size_t>(parts));
  return context.threads().TryParallelFor(static_cast<size_t>(parts), 1,
                                          [&](size_t begin, size_t end) -> Done {
                                            for (size_t share = begin; share < end; ++share) {
                                              TRY_OK(sharing.Run(share, context.Window(begin)));
                                            }
                                            return {};
                                          });
}

}  // namespace ephemeralml::engine::panels
