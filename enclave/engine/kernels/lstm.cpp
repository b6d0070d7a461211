#include <algorithm>
#include <optional>

#include "enclave/engine/kernels/dense.h"
#include "enclave/engine/kernels/lstm_cell.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

enum Operand : size_t { kX, kW, kR, kB, kSequenceLengths, kInitialH, kInitialC, kP };

struct Extents {
  int64_t steps = 0;
  int64_t batch = 0;
  int64_t input = 0;
  int64_t hidden = 0;
  int64_t directions = 0;
  bool batch_first = false;

  // Row of a step's batch element in X [.., input].
  int64_t Row(int64_t step, int64_t element) const {
    return batch_first ? element * steps + step : step * batch + element;
  }
  // Offset of a step's output in Y.
  int64_t InY(int64_t step, int64_t direction, int64_t element) const {
    return (batch_first ? Row(step, element) * directions + direction
                        : (step * directions + direction) * batch + element) *
           hidden;
  }
  // Offset of a batch element's state in initial_h, Y_h and the like.
  int64_t InState(int64_t direction, int64_t element) const {
    return (batch_first ? element * directions + direction : direction * batch + element) * hidden;
  }
  Shape StateShape() const {
    return batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
  }
  Shape YShape() const {
    return batch_first ? Shape{batch, steps, directions, hidden}
                       : Shape{steps, directions, batch, hidden};
  }
};

std::span<float> AsFloats(ArenaBlock& block) {
  return {reinterpret_cast<float*>(block.bytes().data()), block.bytes().size() / sizeof(float)};
}

// One direction's part of an operand whose first axis counts directions: of a sealed weight, that
// part alone is open, and only while this lives.
struct DirectionPart {
  std::optional<weights::OpenPanel> panel;
  std::span<const float> values;
};

Result<DirectionPart> PartOf(KernelContext& context, size_t operand, int64_t direction,
                             int64_t directions) {
  DirectionPart part;
  if (!context.HasInput(operand)) return part;
  if (context.IsWeight(operand)) {
    TRY(const weights::PanelStream panels, context.Panels(operand));
    TRY(weights::OpenPanel panel, panels.OpenRows(direction, direction + 1));
    part.panel.emplace(std::move(panel));
    part.values = {part.panel->Values<float>(), part.panel->bytes().size() / sizeof(float)};
    return part;
  }
  TRY(const TensorView view, context.Input(operand));
  const std::span<const float> all = view.Values<float>();
  const size_t size = all.size() / static_cast<size_t>(directions);
  part.values = all.subspan(static_cast<size_t>(direction) * size, size);
  return part;
}

/// A long short-term memory over a whole sequence, one or two directions. Types: float32.
/// Shapes: X [steps, batch, input], W [directions, 4*hidden, input], R [directions, 4*hidden,
/// hidden], B [directions, 8*hidden], initial states [directions, batch, hidden], P [directions,
/// 3*hidden]; with `layout` 1 the batch comes first in X, Y and the states. A weight is open one
/// direction at a time. Errors: kUnsupported `type_unsupported`; kMalformed `shape_invalid`,
/// `input_invalid`. Source: ONNX operator LSTM, versions 7 to 14.
class Lstm final : public Kernel {
 public:
  Lstm(std::string direction, std::vector<RecurrentActivation> activations, float clip,
       bool couples, bool batch_first)
      : reverses_first_(direction == "reverse"),
        activations_(std::move(activations)),
        clip_(clip),
        couples_(couples),
        batch_first_(batch_first) {}

  Done Run(KernelContext& context) const override {
    TRY(const Extents e, ReadExtents(context));
    TRY(const std::vector<int64_t> lengths, ReadLengths(context, e));
    TRY(const size_t states, ElementCount(e.StateShape()));
    TRY(const size_t results, ElementCount(e.YShape()));
    // Scratch, for a node may list fewer outputs than there are.
    TRY(ArenaBlock y, context.Scratch(results * sizeof(float)));
    TRY(ArenaBlock last_h, context.Scratch(states * sizeof(float)));
    TRY(ArenaBlock last_c, context.Scratch(states * sizeof(float)));
    TRY_OK(CopyInitial(context, kInitialH, last_h));
    TRY_OK(CopyInitial(context, kInitialC, last_c));
    for (int64_t direction = 0; direction < e.directions; ++direction) {
      TRY_OK(RunDirection(context, e, direction, lengths, AsFloats(y), AsFloats(last_h),
                          AsFloats(last_c)));
    }
    TRY_OK(CopyOutput(context, 0, e.YShape(), y));
    TRY_OK(CopyOutput(context, 1, e.StateShape(), last_h));
    return CopyOutput(context, 2, e.StateShape(), last_c);
  }

 private:
  Result<Extents> ReadExtents(const KernelContext& context) const {
    for (const size_t operand : {kX, kW, kR}) TRY_OK(RequireFloat(context, operand));
    const Shape& x = context.InputShape(kX);
    const Shape& w = context.InputShape(kW);
    if (x.size() != 3 || w.size() != 3) return ShapeInvalid("LSTM: X and W must have three axes");
    Extents e;
    e.batch_first = batch_first_;
    e.steps = x[batch_first_ ? 1 : 0];
    e.batch = x[batch_first_ ? 0 : 1];
    e.input = x[2];
    e.hidden = w[1] / 4;
    e.directions = static_cast<int64_t>(activations_.size() / 3);
    const auto expect = [&](size_t operand, const Shape& shape) -> Done {
      if (!context.HasInput(operand)) return {};
      TRY_OK(RequireFloat(context, operand));
      if (context.InputShape(operand) != shape)
        return ShapeInvalid("LSTM: an operand's shape doesn't fit");
      return {};
    };
    if (e.hidden <= 0) return ShapeInvalid("LSTM: the hidden state is empty");
    TRY_OK(expect(kW, {e.directions, 4 * e.hidden, e.input}));
    TRY_OK(expect(kR, {e.directions, 4 * e.hidden, e.hidden}));
    TRY_OK(expect(kB, {e.directions, 8 * e.hidden}));
    TRY_OK(expect(kP, {e.directions, 3 * e.hidden}));
    TRY_OK(expect(kInitialH, e.StateShape()));
    TRY_OK(expect(kInitialC, e.StateShape()));
    return e;
  }

  static Result<std::vector<int64_t>> ReadLengths(KernelContext& context, const Extents& e) {
    std::vector<int64_t> lengths(static_cast<size_t>(e.batch), e.steps);
    if (!context.HasInput(kSequenceLengths)) return lengths;
    TRY(const TensorView view, context.Input(kSequenceLengths));
    if (view.type != ElementType::kInt32 || view.shape != Shape{e.batch}) {
      return InputInvalid("LSTM: sequence_lens must be one int32 for each batch element");
    }
    std::ranges::copy(view.Values<int32_t>(), lengths.begin());
    const bool fits =
        std::ranges::all_of(lengths, [&](int64_t n) { return n >= 0 && n <= e.steps; });
    if (!fits) return InputInvalid("LSTM: a sequence is longer than X");
    return lengths;
  }

  static Done CopyInitial(KernelContext& context, size_t operand, ArenaBlock& state) {
    if (!context.HasInput(operand)) return {};
    TRY(const TensorView initial, context.Input(operand));
    std::ranges::copy(initial.bytes, state.bytes().begin());
    return {};
  }

  static Done CopyOutput(KernelContext& context, size_t index, Shape shape,
                         const ArenaBlock& values) {
    if (index >= context.output_count() || !context.WantsOutput(index)) return {};
    TRY(Tensor * output, context.Output(index, ElementType::kFloat, std::move(shape)));
    std::ranges::copy(values.bytes(), output->MutableBytes().begin());
    return {};
  }

  // gates [steps * batch, 4 * hidden] = X * Wᵀ + both biases.
  static Done ProjectInputs(KernelContext& context, const Extents& e, int64_t direction,
                            std::span<float> gates) {
    TRY(const TensorView x, context.Input(kX));
    TRY(const DirectionPart bias, PartOf(context, kB, direction, e.directions));
    const auto width = static_cast<size_t>(4 * e.hidden);
    if (!bias.values.empty()) {
      for (size_t i = 0; i < gates.size(); ++i) {
        gates[i] = bias.values[i % width] + bias.values[width + i % width];
      }
    }
    TRY(const DirectionPart w, PartOf(context, kW, direction, e.directions));
    return MultiplyOn(context.threads(), {e.steps * e.batch,
                                          e.input,
                                          4 * e.hidden,
                                          {x.Values<float>().data(), e.input},
                                          {w.values.data(), e.input, true},
                                          gates.data(),
                                          4 * e.hidden,
                                          1,
                                          1});
  }

  Done RunDirection(KernelContext& context, const Extents& e, int64_t direction,
                    const std::vector<int64_t>& lengths, std::span<float> y,
                    std::span<float> last_h, std::span<float> last_c) const {
    const auto hidden = static_cast<size_t>(e.hidden);
    const auto batch = static_cast<size_t>(e.batch);
    const size_t rows = static_cast<size_t>(e.steps) * batch;
    TRY(ArenaBlock projected, context.Scratch(rows * 4 * hidden * sizeof(float)));
    TRY(ArenaBlock sums_block, context.Scratch(batch * 4 * hidden * sizeof(float)));
    TRY(ArenaBlock h_block, context.Scratch(batch * hidden * sizeof(float)));
    const std::span<float> gates = AsFloats(projected);
    const std::span<float> sums = AsFloats(sums_block);
    const std::span<float> h = AsFloats(h_block);
    TRY_OK(ProjectInputs(context, e, direction, gates));
    TRY(const DirectionPart r, PartOf(context, kR, direction, e.directions));
    TRY(const DirectionPart peepholes, PartOf(context, kP, direction, e.directions));
    const auto first = activations_.begin() + 3 * direction;
    const LstmCell cell{{first[0], first[1], first[2]}, clip_, couples_, peepholes.values};
    const bool reverses = reverses_first_ || direction == 1;
    for (size_t b = 0; b < batch; ++b) {
      const auto from = static_cast<size_t>(e.InState(direction, static_cast<int64_t>(b)));
      std::ranges::copy(last_h.subspan(from, hidden),
                        h.begin() + static_cast<std::ptrdiff_t>(b * hidden));
    }
    for (int64_t step = 0; step < e.steps; ++step) {
      TRY_OK(Multiply({e.batch,
                       e.hidden,
                       4 * e.hidden,
                       {h.data(), e.hidden},
                       {r.values.data(), e.hidden, true},
                       sums.data(),
                       4 * e.hidden}));
      for (size_t b = 0; b < batch; ++b) {
        const auto element = static_cast<int64_t>(b);
        if (step >= lengths[b]) continue;
        const int64_t at = reverses ? lengths[b] - 1 - step : step;
        const auto row =
            gates.subspan(static_cast<size_t>(e.Row(at, element)) * 4 * hidden, 4 * hidden);
        const auto sum = sums.subspan(b * 4 * hidden, 4 * hidden);
        for (size_t i = 0; i < row.size(); ++i) sum[i] += row[i];
        const auto state = static_cast<size_t>(e.InState(direction, element));
        const auto next_h = h.subspan(b * hidden, hidden);
        cell.Step(sum, last_c.subspan(state, hidden), next_h);
        std::ranges::copy(next_h, last_h.begin() + static_cast<std::ptrdiff_t>(state));
        std::ranges::copy(next_h, y.begin() + e.InY(at, direction, element));
      }
    }
    return {};
  }

  bool reverses_first_;
  std::vector<RecurrentActivation> activations_;
  float clip_;
  bool couples_;
  bool batch_first_;
};

}  // namespace

MadeKernel MakeLSTM(const NodeSpec& node) {
  TRY_OK(CheckArity(node,
                    {.least_inputs = 3, .most_inputs = 8, .least_outputs = 0, .most_outputs = 3}));
  TRY(std::string direction, node.attributes.String("direction", "forward"));
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return AttributeInvalid("LSTM: `direction` must be forward, reverse or bidirectional");
  }
  TRY(auto activations, ReadActivations(node.attributes, direction == "bidirectional" ? 2 : 1));
  TRY(const float clip, node.attributes.Float("clip", 0));
  TRY(const int64_t couples, node.attributes.Int("input_forget", 0));
  TRY(const int64_t layout, node.attributes.Int("layout", 0));
  return std::make_unique<Lstm>(std::move(direction), std::move(activations), clip, couples != 0,
                                layout == 1);
}

}  // namespace ephemeralml::engine::kernels
