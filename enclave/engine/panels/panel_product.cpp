#include "enclave/engine/panels/panel_product.h"

#include <algorithm>
#include <vector>

#include "enclave/engine/panels/pair_tile.h"

namespace ephemeralml::engine::panels {
namespace {

constexpr int64_t kMostPieceSteps =
    static_cast<int64_t>(kLargestPieceBytes / (wire::kPanelColumns * sizeof(float))) - 1;
// Rows that are handed out together: whole tiles of every height but the rare ones.
constexpr int64_t kBlockRows = 28;
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
// the panels at its ends are opened by another thread too. Panels are of different widths, so that
// shares are equal in columns times blocks.
class Sharing {
 public:
  Sharing(const weights::PackedWeight& weight, const Product& product)
      : weight_(weight),
        shape_(weight.shape()),
        product_(product),
        cuts_(CutSum(product.segments, static_cast<int64_t>(shape_.steps))),
        blocks_(std::max<int64_t>((product.lines.rows + kBlockRows - 1) / kBlockRows, 1)) {}

  int64_t blocks_per_panel() const {
    return product_.lines.images * product_.lines.lines * blocks_;
  }
  int64_t units() const { return static_cast<int64_t>(shape_.panel_count()) * blocks_per_panel(); }

  // The first unit of share `share` of `shares`; of the one past the last, the units' end.
  int64_t BeginOf(int64_t share, int64_t shares) const {
    const auto panels = static_cast<int64_t>(shape_.panel_count());
    const auto widest = static_cast<int64_t>(shape_.WidthOf(0));
    const auto last = static_cast<int64_t>(shape_.WidthOf(shape_.panel_count() - 1));
    const int64_t before_last = (panels - 1) * widest * blocks_per_panel();
    const int64_t work = (before_last + last * blocks_per_panel()) * share / shares;
    if (work <= before_last) return work / widest;
    return (panels - 1) * blocks_per_panel() + (work - before_last) / last;
  }

  // The units [begin, end).
  Done Run(int64_t begin, int64_t end, MutableByteSpan window) const {
    const int64_t first = begin / blocks_per_panel();
    const int64_t last = (end + blocks_per_panel() - 1) / blocks_per_panel();
    weights::PanelReader reader =
        weight_.Read(static_cast<uint64_t>(first), static_cast<uint64_t>(last), window);
    for (int64_t panel = first; panel < last; ++panel) {
      const int64_t base = panel * blocks_per_panel();
      TRY_OK(RunPanel(reader, panel, std::max(begin - base, int64_t{0}),
                      std::min(end - base, blocks_per_panel())));
    }
    return {};
  }

 private:
  // The blocks [begin, end) of one panel.
  Done RunPanel(weights::PanelReader& reader, int64_t panel, int64_t begin, int64_t end) const {
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
};

}  // namespace

Done MultiplyPacked(KernelContext& context, const weights::PackedWeight& weight,
                    const Product& product) {
  const Lines& lines = product.lines;
  const int64_t rows = lines.images * lines.lines * lines.rows;
  if (rows == 0) return {};
  const Sharing sharing(weight, product);
  if (sharing.units() == 0) return {};
  const int64_t work = rows * static_cast<int64_t>(weight.shape().steps * weight.shape().columns);
  const auto threads = static_cast<int64_t>(context.threads().count());
  const int64_t parts =
      std::clamp<int64_t>(work / kWorthAThread, 1, std::min(threads, sharing.units()));
  return context.threads().TryParallelFor(
      static_cast<size_t>(parts), 1, [&](size_t begin, size_t end) -> Done {
        return sharing.Run(sharing.BeginOf(static_cast<int64_t>(begin), parts),
                           sharing.BeginOf(static_cast<int64_t>(end), parts),
                           context.Window(begin));
      });
}

}  // namespace ephemeralml::engine::panels
