#include "enclave/engine/panels/panel_product.h"

#include <algorithm>
#include <vector>

#include "enclave/engine/panels/pair_tile.h"
#include "enclave/engine/panels/panel_shares.h"

namespace ephemeralml::engine::panels {
namespace {

constexpr int64_t kMostPieceSteps =
    static_cast<int64_t>(kLargestPieceBytes / (wire::kPanelColumns * sizeof(float))) - 1;
// Rows that are handed out together: whole tiles of every height but the rare ones.
constexpr int64_t kBlockRows = 14;

// A run of segments, cut so that a piece holds it.
struct Cut {
  std::vector<Segment> segments;
  int64_t steps = 0;
};

std::vector<Cut> CutSum(std::span<const Segment> segments, int64_t all_steps) {
  const int64_t count = std::max<int64_t>((all_steps + kMostPieceSteps - 1) / kMostPieceSteps, 1);
  const int64_t most = (all_steps + count - 1) / count;
  std::vector<Cut> cuts;
  cuts.reserve(static_cast<size_t>(count));
  const auto begin_cut = [&] {
    cuts.emplace_back().segments.reserve(segments.size() / static_cast<size_t>(count) + 2);
  };
  begin_cut();
  for (Segment rest : segments) {
    while (rest.steps > 0) {
      if (cuts.back().steps == most) begin_cut();
      Cut& cut = cuts.back();
      const int64_t steps = std::min(rest.steps, most - cut.steps);
      cut.segments.push_back({rest.offset, steps});
      cut.steps += steps;
      rest = {rest.offset + steps, rest.steps - steps};
    }
  }
  return cuts;
}

// One product. Its blocks are of kBlockRows rows of a line, but the last of each line.
class PanelProduct {
 public:
  explicit PanelProduct(const Product& product)
      : shape_(product.weight->shape()),
        product_(product),
        cuts_(CutSum(product.segments, static_cast<int64_t>(shape_.steps))),
        blocks_(std::max<int64_t>((product.lines.rows + kBlockRows - 1) / kBlockRows, 1)) {}

  int64_t blocks() const { return product_.lines.images * product_.lines.lines * blocks_; }
  bool is_of_one_piece() const { return cuts_.size() == 1; }

  Done Run(PanelBlocks& blocks) const {
    const auto index = static_cast<uint64_t>(blocks.panel);
    Piece piece;
    piece.width = static_cast<int64_t>(shape_.WidthOf(index));
    piece.weights_stride = piece.width;
    piece.columns = static_cast<int64_t>(shape_.ColumnsOf(index));
    for (size_t i = 0; i < cuts_.size(); ++i) {
      const bool with_bias = i == 0 && shape_.has_bias;
      const int64_t rows = cuts_[i].steps + (with_bias ? 1 : 0);
      if (!is_of_one_piece() || blocks.open.empty()) {
        TRY(blocks.open,
            blocks.reader.Next(static_cast<uint64_t>(rows * piece.width) * sizeof(float)));
      }
      const auto* values = reinterpret_cast<const float*>(blocks.open.data());
      piece.bias = with_bias ? values : nullptr;
      piece.weights = with_bias ? values + piece.width : values;
      piece.segments = cuts_[i].segments;
      piece.is_first = i == 0;
      piece.is_last = i + 1 == cuts_.size();
      RunPiece(piece, blocks);
    }
    return {};
  }

 private:
  // As many sealed bytes as the next piece takes, over the time that this one takes; here those of
  // these blocks.
  Upcoming Spread(const Piece& piece, const PanelBlocks& blocks) const {
    int64_t steps = 0;
    for (const Segment& segment : piece.segments) steps += segment.steps;
    const auto bytes = static_cast<size_t>(piece.width * steps) * sizeof(float);
    const int64_t count = blocks.end - blocks.begin;
    const int64_t rows =
        std::min(count * kBlockRows, count / blocks_ * product_.lines.rows + kBlockRows);
    return SpreadOver(blocks.SealedToFetch(bytes), rows, steps);
  }

  // Neighbouring blocks of one line go together.
  void RunPiece(const Piece& piece, const PanelBlocks& blocks) const {
    Upcoming upcoming = Spread(piece, blocks);
    for (int64_t begin = blocks.begin; begin < blocks.end;) {
      const int64_t line = begin / blocks_;
      const int64_t stop = std::min(blocks.end, (line + 1) * blocks_);
      const int64_t row = begin % blocks_ * kBlockRows;
      Rows rows = RowsAt(line, blocks.panel, row);
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

  const wire::PackedShape& shape_;
  const Product& product_;
  std::vector<Cut> cuts_;
  int64_t blocks_;  // of rows in a line
};

}  // namespace

Done MultiplyPacked(KernelContext& context, std::span<const Product> products) {
  std::vector<PanelProduct> works;
  works.reserve(products.size());  // jobs point to them
  std::vector<PanelJob> jobs;
  jobs.reserve(products.size());
  for (const Product& product : products) {
    const Lines& lines = product.lines;
    const int64_t rows = lines.images * lines.lines * lines.rows;
    if (rows == 0) continue;
    const PanelProduct& work = works.emplace_back(product);
    jobs.push_back({.weight = product.weight,
                    .work = {.blocks = work.blocks(), .rows = rows},
                    .run = [&work](PanelBlocks& blocks) { return work.Run(blocks); },
                    .may_be_split = work.is_of_one_piece()});
  }
  return RunOnPanels(context, jobs);
}

}  // namespace ephemeralml::engine::panels
