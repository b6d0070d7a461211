#include <algorithm>
#include <optional>

#include "enclave/engine/kernels/direction_weights.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/recurrent_activation.h"

namespace ephemeralml::engine::kernels {
namespace {

enum Operand : size_t {
  kX,
  kWeights,
  kRecurrence,
  kBias,
  kSequenceLengths,
  kInitialHidden,
  kInitialCell,
  kPeepholes,
};
enum Made : size_t { kY, kLastHidden, kLastCell };

struct LstmAttributes {
  bool forward = true;
  bool reverse = false;
  bool batch_first = false;   // layout 1
  bool input_forget = false;  // the forget gate is 1 - the input gate
  std::optional<int64_t> hidden;
  std::optional<float> clip;
  std::vector<RecurrentActivation> activations;  // three for each direction: gates, cell, hidden

  int64_t directions() const { return int64_t{forward} + int64_t{reverse}; }
  bool IsReverse(int64_t direction) const { return !forward || direction == 1; }
};

struct LstmShape {
  int64_t steps = 0;
  int64_t batch = 0;
  int64_t inputs = 0;
  int64_t hidden = 0;
};

// The state and the outputs of one direction.
class Direction {
 public:
  Direction(KernelContext& context, const LstmAttributes& attributes, const LstmShape& shape,
            const std::vector<int64_t>& lengths, int64_t direction)
      : context_(context),
        attributes_(attributes),
        s_(shape),
        lengths_(lengths),
        direction_(direction),
        activations_(&attributes.activations[static_cast<size_t>(3 * direction)]) {}

  Done Run(float* y, float* last_hidden, float* last_cell) {
    TRY_OK(Prepare());
    TRY_OK(ProjectInputs());
    TRY(const DirectionWeights recurrence, OpenDirection(context_, kRecurrence, direction_));
    const int64_t most = s_.batch == 0 ? 0 : std::ranges::max(lengths_);
    for (int64_t step = 0; step < most; ++step) {
      TRY_OK(RunStep(step, recurrence.values, y));
    }
    for (int64_t row = 0; row < s_.batch; ++row) {
      const int64_t to = StateAt(row);
      if (last_hidden != nullptr)
        std::copy_n(hidden_ + row * s_.hidden, s_.hidden, last_hidden + to);
      if (last_cell != nullptr) std::copy_n(cell_ + row * s_.hidden, s_.hidden, last_cell + to);
    }
    return {};
  }

 private:
  // Of one sequence's hidden or cell state, in tensors that hold all directions'.
  int64_t StateAt(int64_t row) const {
    return (attributes_.batch_first ? row * attributes_.directions() + direction_
                                    : direction_ * s_.batch + row) *
           s_.hidden;
  }
  int64_t OutputAt(int64_t time, int64_t row) const {
    const int64_t d = attributes_.directions();
    return (attributes_.batch_first ? (row * s_.steps + time) * d + direction_
                                    : (time * d + direction_) * s_.batch + row) *
           s_.hidden;
  }
  int64_t GatesAt(int64_t time, int64_t row) const {
    return (attributes_.batch_first ? row * s_.steps + time : time * s_.batch + row) * 4 *
           s_.hidden;
  }

  Done Prepare() {
    const int64_t state = s_.batch * s_.hidden;
    TRY(const size_t state_bytes, ByteCount(ElementType::kFloat, {6, s_.batch, s_.hidden}));
    TRY(const size_t projected_bytes,
        ByteCount(ElementType::kFloat, {4, s_.steps, s_.batch, s_.hidden}));
    TRY(block_, context_.Scratch(state_bytes + projected_bytes));
    hidden_ = reinterpret_cast<float*>(block_.bytes().data());
    cell_ = hidden_ + state;
    gates_ = cell_ + state;
    projected_ = gates_ + 4 * state;
    TRY_OK(ReadState(kInitialHidden, hidden_));
    TRY_OK(ReadState(kInitialCell, cell_));
    if (context_.HasInput(kPeepholes)) {
      TRY(const TensorView view, context_.Input(kPeepholes));
      peepholes_ = view.Values<float>().data() + direction_ * 3 * s_.hidden;
    }
    return {};
  }

  Done ReadState(size_t input, float* state) const {
    if (!context_.HasInput(input)) return {};
    TRY(const TensorView view, context_.Input(input));
    for (int64_t row = 0; row < s_.batch; ++row) {
      std::copy_n(view.Values<float>().data() + StateAt(row), s_.hidden, state + row * s_.hidden);
    }
    return {};
  }

  // What the inputs of all steps, and the biases, give the gates: one product.
  Done ProjectInputs() const {
    const int64_t rows = s_.steps * s_.batch;
    const int64_t width = 4 * s_.hidden;
    if (context_.HasInput(kBias)) {
      TRY(const DirectionWeights bias, OpenDirection(context_, kBias, direction_));
      for (int64_t i = 0; i < rows * width; ++i) {
        projected_[i] = bias.values[i % width] + bias.values[width + i % width];
      }
    }
    TRY(const TensorView x, context_.Input(kX));
    TRY(const DirectionWeights weights, OpenDirection(context_, kWeights, direction_));
    return MultiplyOn(context_.threads(), {.rows = rows,
                                           .inner = s_.inputs,
                                           .columns = width,
                                           .a = {x.Values<float>().data(), s_.inputs},
                                           .b = {weights.values, s_.inputs, true},
                                           .c = projected_,
                                           .c_stride = width,
                                           .beta = 1});
  }

  // Sequences end at different times, and reversed ones begin there: each has its own time.
  Done RunStep(int64_t step, const float* recurrence, float* y) const {
    const int64_t width = 4 * s_.hidden;
    const auto time_of = [&](int64_t row) {
      const int64_t length = lengths_[static_cast<size_t>(row)];
      return attributes_.IsReverse(direction_) ? length - 1 - step : step;
    };
    const auto runs = [&](int64_t row) { return step < lengths_[static_cast<size_t>(row)]; };
    for (int64_t row = 0; row < s_.batch; ++row) {
      if (runs(row)) {
        std::copy_n(projected_ + GatesAt(time_of(row), row), width, gates_ + row * width);
      }
    }
    TRY_OK(MultiplyOn(context_.threads(), {.rows = s_.batch,
                                           .inner = s_.hidden,
                                           .columns = width,
                                           .a = {hidden_, s_.hidden},
                                           .b = {recurrence, s_.hidden, true},
                                           .c = gates_,
                                           .c_stride = width,
                                           .beta = 1}));
    for (int64_t row = 0; row < s_.batch; ++row) {
      if (!runs(row)) continue;
      float* hidden = hidden_ + row * s_.hidden;
      UpdateState(gates_ + row * width, cell_ + row * s_.hidden, hidden);
      if (y != nullptr) std::copy_n(hidden, s_.hidden, y + OutputAt(time_of(row), row));
    }
    return {};
  }

  // ONNX's equations, with gates in its order: input, output, forget, cell.
  void UpdateState(float* gates, float* cell, float* hidden) const {
    const auto n = static_cast<size_t>(s_.hidden);
    const std::span<float> in(gates, n), out(gates + n, n), forget(gates + 2 * n, n),
        candidate(gates + 3 * n, n);
    const auto& [gate, cell_activation, hidden_activation] = Functions();
    AddPeephole(0, cell, in);
    Activate(gate, in);
    if (attributes_.input_forget) {
      for (size_t i = 0; i < n; ++i) forget[i] = 1 - in[i];
    } else {
      AddPeephole(2, cell, forget);
      Activate(gate, forget);
    }
    Activate(cell_activation, candidate);
    for (size_t i = 0; i < n; ++i) cell[i] = forget[i] * cell[i] + in[i] * candidate[i];
    AddPeephole(1, cell, out);
    Activate(gate, out);
    std::copy_n(cell, n, hidden);
    hidden_activation.Apply({hidden, n});
    for (size_t i = 0; i < n; ++i) hidden[i] *= out[i];
  }

  struct Chosen {
    const RecurrentActivation& gate;
    const RecurrentActivation& cell;
    const RecurrentActivation& hidden;
  };
  Chosen Functions() const { return {activations_[0], activations_[1], activations_[2]}; }

  void AddPeephole(size_t which, const float* cell, std::span<float> gate) const {
    if (peepholes_ == nullptr) return;
    const float* peephole = peepholes_ + which * gate.size();
    for (size_t i = 0; i < gate.size(); ++i) gate[i] += peephole[i] * cell[i];
  }

  void Activate(const RecurrentActivation& function, std::span<float> values) const {
    if (attributes_.clip) {
      for (float& value : values) value = std::clamp(value, -*attributes_.clip, *attributes_.clip);
    }
    function.Apply(values);
  }

  KernelContext& context_;
  const LstmAttributes& attributes_;
  const LstmShape& s_;
  const std::vector<int64_t>& lengths_;
  int64_t direction_;
  const RecurrentActivation* activations_;
  const float* peepholes_ = nullptr;
  ArenaBlock block_;
  float* hidden_ = nullptr;     // [batch, hidden]
  float* cell_ = nullptr;       // [batch, hidden]
  float* gates_ = nullptr;      // [batch, 4 * hidden]
  float* projected_ = nullptr;  // [steps, batch, 4 * hidden], or [batch, steps, 4 * hidden]
};

/// Long short-term memory. Types: float32. Shapes: X [steps,batch,I] or, in layout 1,
/// [batch,steps,I]; W [D,4H,I], R [D,4H,H], B [D,8H], P [D,3H]. Errors: kUnsupported
/// `type_unsupported`; kMalformed `shape_invalid`, `attribute_invalid`, `input_invalid` (a
/// sequence's length). Source: ONNX operator LSTM, versions 7 and 14.
class Lstm final : public Kernel {
 public:
  explicit Lstm(LstmAttributes attributes) : attributes_(std::move(attributes)) {}

  Done Run(KernelContext& context) const override {
    TRY(const LstmShape s, ReadShape(context));
    TRY(const std::vector<int64_t> lengths, ReadLengths(context, s));
    const int64_t d = attributes_.directions();
    const bool batch_first = attributes_.batch_first;
    const Shape state = batch_first ? Shape{s.batch, d, s.hidden} : Shape{d, s.batch, s.hidden};
    TRY(float* y, MakeOutput(context, kY,
                             batch_first ? Shape{s.batch, s.steps, d, s.hidden}
                                         : Shape{s.steps, d, s.batch, s.hidden}));
    TRY(float* last_hidden, MakeOutput(context, kLastHidden, state));
    TRY(float* last_cell, MakeOutput(context, kLastCell, state));
    for (int64_t direction = 0; direction < d; ++direction) {
      TRY_OK(Direction(context, attributes_, s, lengths, direction).Run(y, last_hidden, last_cell));
    }
    return {};
  }

 private:
  // Null if nobody wants it.
  static Result<float*> MakeOutput(KernelContext& context, size_t index, Shape shape) {
    if (!context.WantsOutput(index)) return nullptr;
    TRY(Tensor * output, context.Output(index, ElementType::kFloat, std::move(shape)));
    return output->MutableValues<float>().data();
  }

  Result<LstmShape> ReadShape(const KernelContext& context) const {
    for (const size_t required : {kX, kWeights, kRecurrence}) {
      TRY_OK(RequireFloat(context, required));
    }
    const Shape& x = context.InputShape(kX);
    const Shape& r = context.InputShape(kRecurrence);
    if (x.size() != 3 || r.size() != 3 || r[2] < 1) {
      return ShapeInvalid("LSTM: X, W and R must have three axes");
    }
    LstmShape s{x[0], x[1], x[2], attributes_.hidden.value_or(r[2])};
    if (attributes_.batch_first) std::swap(s.steps, s.batch);
    const int64_t d = attributes_.directions();
    const int64_t h = s.hidden;
    const Shape state = attributes_.batch_first ? Shape{s.batch, d, h} : Shape{d, s.batch, h};
    TRY_OK(Expect(context, kWeights, {d, 4 * h, s.inputs}));
    TRY_OK(Expect(context, kRecurrence, {d, 4 * h, h}));
    TRY_OK(Expect(context, kBias, {d, 8 * h}));
    TRY_OK(Expect(context, kInitialHidden, state));
    TRY_OK(Expect(context, kInitialCell, state));
    TRY_OK(Expect(context, kPeepholes, {d, 3 * h}));
    return s;
  }

  static Done Expect(const KernelContext& context, size_t input, const Shape& shape) {
    if (!context.HasInput(input)) return {};
    TRY_OK(RequireFloat(context, input));
    if (context.InputShape(input) != shape) {
      return ShapeInvalid("LSTM: input " + std::to_string(input) + " doesn't fit the others");
    }
    return {};
  }

  static Result<std::vector<int64_t>> ReadLengths(KernelContext& context, const LstmShape& s) {
    // Refuses what memory can't hold: an empty input's batch may be of any size.
    TRY_OK(context.Scratch(static_cast<size_t>(s.batch) * sizeof(int64_t)));
    std::vector<int64_t> lengths(static_cast<size_t>(s.batch), s.steps);
    if (!context.HasInput(kSequenceLengths)) return lengths;
    if (context.InputShape(kSequenceLengths) != Shape{s.batch}) {
      return ShapeInvalid("LSTM: there must be one length per sequence");
    }
    TRY(lengths, ReadIntegers(context, kSequenceLengths, lengths.size()));
    for (const int64_t length : lengths) {
      if (length < 0 || length > s.steps) {
        return InputInvalid("LSTM: a sequence is longer than the input");
      }
    }
    return lengths;
  }

  LstmAttributes attributes_;
};

Result<LstmAttributes> ReadAttributes(const NodeSpec& node) {
  const Attributes& attributes = node.attributes;
  LstmAttributes read;
  TRY(const std::string direction, attributes.String("direction", "forward"));
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return AttributeInvalid("LSTM: attribute 'direction' has none of its three values");
  }
  read.forward = direction != "reverse";
  read.reverse = direction != "forward";
  TRY(const int64_t layout, attributes.Int("layout", 0));
  TRY(const int64_t input_forget, attributes.Int("input_forget", 0));
  if (layout != 0 && layout != 1) return AttributeInvalid("LSTM: attribute 'layout' isn't 0 or 1");
  read.batch_first = layout == 1;
  read.input_forget = input_forget != 0;
  if (attributes.Has("hidden_size")) {
    TRY(read.hidden, attributes.RequiredInt("hidden_size"));
    if (*read.hidden < 1 || *read.hidden > int64_t{1} << 30) {
      return AttributeInvalid("LSTM: attribute 'hidden_size' is less than 1 or too large");
    }
  }
  if (attributes.Has("clip")) {
    TRY(read.clip, attributes.Float("clip", 0));
    if (!(*read.clip >= 0)) return AttributeInvalid("LSTM: attribute 'clip' is negative");
  }
  const auto directions = static_cast<size_t>(read.directions());
  std::vector<std::string> names;
  for (size_t i = 0; i < directions; ++i) names.insert(names.end(), {"Sigmoid", "Tanh", "Tanh"});
  TRY(names, attributes.Strings("activations", names));
  TRY(const std::vector<float> alphas, attributes.Floats("activation_alpha", {}));
  TRY(const std::vector<float> betas, attributes.Floats("activation_beta", {}));
  if (names.size() != 3 * directions) {
    return AttributeInvalid("LSTM: attribute 'activations' hasn't three names per direction");
  }
  TRY(read.activations, RecurrentActivation::Read(names, alphas, betas));
  return read;
}

}  // namespace

MadeKernel MakeLSTM(const NodeSpec& node) {
  TRY_OK(CheckArity(node,
                    {.least_inputs = 3, .most_inputs = 8, .least_outputs = 0, .most_outputs = 3}));
  TRY(LstmAttributes attributes, ReadAttributes(node));
  return std::make_unique<Lstm>(std::move(attributes));
}

}  // namespace ephemeralml::engine::kernels
