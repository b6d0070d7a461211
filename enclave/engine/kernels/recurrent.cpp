// RNN and GRU: recurrent layers of one state.

#include <algorithm>
#include <optional>

#include "enclave/engine/kernels/direction_weights.h"
#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/recurrent_activation.h"

namespace ephemeralml::engine::kernels {
namespace {

enum Operand : size_t { kX, kWeights, kRecurrence, kBias, kSequenceLengths, kInitialHidden };

struct RecurrentAttributes {
  int64_t gates = 1;  // 1: RNN; 3: GRU, in ONNX's order: update, reset, hidden
  int64_t directions = 1;
  bool reverse = false;  // of the only direction
  bool batch_first = false;
  bool linear_before_reset = false;
  std::optional<float> clip;
  std::vector<RecurrentActivation> activations;  // one (RNN) or two (GRU) a direction

  size_t functions() const { return gates == 1 ? 1 : 2; }
  bool IsReverse(int64_t direction) const { return reverse || direction == 1; }
};

struct RecurrentShape {
  int64_t steps = 0;
  int64_t batch = 0;
  int64_t inputs = 0;
  int64_t hidden = 0;
};

// What a run reads and writes; null for what isn't there.
struct Operands {
  const float* x = nullptr;
  const float* initial = nullptr;
  float* y = nullptr;
  float* last = nullptr;
};

class Direction {
 public:
  Direction(KernelContext& context, const RecurrentAttributes& attributes,
            const RecurrentShape& shape, const Operands& operands, int64_t direction)
      : context_(context), a_(attributes), s_(shape), o_(operands), direction_(direction) {}

  Done Run(const std::vector<int64_t>& lengths) {
    if (s_.batch == 0) return {};
    TRY(const DirectionWeights bias, OpenDirection(context_, kBias, direction_));
    bias_ = bias.values;
    TRY_OK(Prepare());
    TRY(const DirectionWeights recurrence, OpenDirection(context_, kRecurrence, direction_));
    recurrence_ = recurrence.values;
    for (int64_t step = 0; step < s_.steps; ++step) TRY_OK(RunStep(step, lengths));
    for (int64_t row = 0; row < s_.batch && o_.last != nullptr; ++row) {
      std::copy_n(hidden_ + row * s_.hidden, s_.hidden, o_.last + StateAt(row));
    }
    return {};
  }

 private:
  int64_t width() const { return a_.gates * s_.hidden; }
  int64_t StateAt(int64_t row) const {
    return (a_.batch_first ? row * a_.directions + direction_ : direction_ * s_.batch + row) *
           s_.hidden;
  }
  int64_t OutputAt(int64_t time, int64_t row) const {
    return (a_.batch_first ? (row * s_.steps + time) * a_.directions + direction_
                           : (time * a_.directions + direction_) * s_.batch + row) *
           s_.hidden;
  }
  float* ProjectedAt(int64_t time, int64_t row) const {
    return projected_ + (a_.batch_first ? row * s_.steps + time : time * s_.batch + row) * width();
  }

  // Room for everything, and the inputs' part of all gates: one product.
  Done Prepare() {
    const int64_t state = s_.batch * s_.hidden;
    TRY(const size_t bytes,
        ByteCount(ElementType::kFloat, {s_.steps + 3, s_.batch, a_.gates, s_.hidden}));
    TRY(block_, context_.Scratch(bytes));
    projected_ = reinterpret_cast<float*>(block_.bytes().data());
    gates_ = projected_ + s_.steps * s_.batch * width();
    hidden_ = gates_ + s_.batch * width();
    reset_ = hidden_ + state * a_.gates;
    for (int64_t row = 0; row < s_.batch && o_.initial != nullptr; ++row) {
      std::copy_n(o_.initial + StateAt(row), s_.hidden, hidden_ + row * s_.hidden);
    }
    const int64_t rows = s_.steps * s_.batch;
    for (int64_t i = 0; i < rows * width() && bias_ != nullptr; ++i) {
      const int64_t gate = i % width();
      // With a linear reset, the hidden gate's second bias is added before it.
      const bool comes_later = a_.linear_before_reset && gate >= 2 * s_.hidden;
      projected_[i] = bias_[gate] + (comes_later ? 0 : bias_[width() + gate]);
    }
    TRY(const DirectionWeights weights, OpenDirection(context_, kWeights, direction_));
    return Multiply(o_.x, s_.inputs, rows, weights.values, width(), projected_, width());
  }

  // c += a * b transposed.
  Done Multiply(const float* a, int64_t inner, int64_t rows, const float* b, int64_t columns,
                float* c, int64_t c_stride) const {
    return MultiplyOn(context_.threads(), {.rows = rows,
                                           .inner = inner,
                                           .columns = columns,
                                           .a = {a, inner},
                                           .b = {b, inner, true},
                                           .c = c,
                                           .c_stride = c_stride,
                                           .beta = 1});
  }

  Done RunStep(int64_t step, const std::vector<int64_t>& lengths) {
    const auto runs = [&](int64_t row) { return step < lengths[static_cast<size_t>(row)]; };
    const auto time_of = [&](int64_t row) {
      return a_.IsReverse(direction_) ? lengths[static_cast<size_t>(row)] - 1 - step : step;
    };
    for (int64_t row = 0; row < s_.batch; ++row) {
      if (runs(row)) std::copy_n(ProjectedAt(time_of(row), row), width(), gates_ + row * width());
    }
    TRY_OK(a_.gates == 1 ? AddRecurrence() : AddGatedRecurrence());
    for (int64_t row = 0; row < s_.batch; ++row) {
      if (!runs(row)) continue;
      float* hidden = hidden_ + row * s_.hidden;
      Update(gates_ + row * width(), hidden);
      if (o_.y != nullptr) std::copy_n(hidden, s_.hidden, o_.y + OutputAt(time_of(row), row));
    }
    return {};
  }

  Done AddRecurrence() {
    return Multiply(hidden_, s_.hidden, s_.batch, recurrence_, width(), gates_, width());
  }

  // Update and reset first; the hidden gate sees the state through the reset.
  Done AddGatedRecurrence() {
    const int64_t h = s_.hidden;
    TRY_OK(Multiply(hidden_, h, s_.batch, recurrence_, 2 * h, gates_, width()));
    for (int64_t row = 0; row < s_.batch; ++row) Activate(0, gates_ + row * width(), 2 * h);
    const float* recurrence = recurrence_ + 2 * h * h;
    if (!a_.linear_before_reset) {
      for (int64_t i = 0; i < s_.batch * h; ++i) reset_[i] = ResetOf(i) * hidden_[i];
      return Multiply(reset_, h, s_.batch, recurrence, h, gates_ + 2 * h, width());
    }
    for (int64_t i = 0; i < s_.batch * h; ++i) {
      reset_[i] = bias_ == nullptr ? 0 : bias_[width() + 2 * h + i % h];
    }
    TRY_OK(Multiply(hidden_, h, s_.batch, recurrence, h, reset_, h));
    for (int64_t i = 0; i < s_.batch * h; ++i) {
      gates_[i / h * width() + 2 * h + i % h] += ResetOf(i) * reset_[i];
    }
    return {};
  }

  float ResetOf(int64_t i) const {
    return gates_[i / s_.hidden * width() + s_.hidden + i % s_.hidden];
  }

  void Update(float* gates, float* hidden) const {
    const int64_t h = s_.hidden;
    float* candidate = gates + (a_.gates - 1) * h;
    Activate(a_.functions() - 1, candidate, h);
    for (int64_t i = 0; i < h; ++i) {
      const float update = a_.gates == 1 ? 0 : gates[i];
      hidden[i] = (1 - update) * candidate[i] + update * hidden[i];
    }
  }

  void Activate(size_t function, float* values, int64_t count) const {
    const std::span<float> span(values, static_cast<size_t>(count));
    if (a_.clip) {
      for (float& value : span) value = std::clamp(value, -*a_.clip, *a_.clip);
    }
    a_.activations[static_cast<size_t>(direction_) * a_.functions() + function].Apply(span);
  }

  KernelContext& context_;
  const RecurrentAttributes& a_;
  const RecurrentShape& s_;
  const Operands& o_;
  int64_t direction_;
  const float* bias_ = nullptr;        // [2 * gates * hidden], while it runs, or null
  const float* recurrence_ = nullptr;  // [gates * hidden, hidden], while it runs
  ArenaBlock block_;
  float* projected_ = nullptr;  // [steps, batch, gates * hidden], or [batch, steps, …]
  float* gates_ = nullptr;      // [batch, gates * hidden]
  float* hidden_ = nullptr;     // [batch, hidden]
  float* reset_ = nullptr;      // [batch, hidden]
};

/// Types: float32. Shapes: X [steps,batch,I] or, in layout 1, [batch,steps,I]; W [D,G*H,I], R
/// [D,G*H,H], B [D,2*G*H], with G 1 or 3. Errors: kUnsupported `type_unsupported`; kMalformed
/// `shape_invalid`, `input_invalid` (a sequence's length).
class Recurrent final : public Kernel {
 public:
  explicit Recurrent(RecurrentAttributes attributes) : a_(std::move(attributes)) {}

  Done Run(KernelContext& context) const override {
    TRY(const RecurrentShape s, ReadShape(context));
    // Refuses what memory can't hold: an empty input's batch may be of any size.
    TRY_OK(context.Scratch(static_cast<size_t>(s.batch) * sizeof(int64_t)));
    std::vector<int64_t> lengths(static_cast<size_t>(s.batch), s.steps);
    if (context.HasInput(kSequenceLengths)) {
      TRY(lengths, ReadIndexTensor(context, kSequenceLengths));
    }
    const auto is_outside = [&](int64_t length) { return length < 0 || length > s.steps; };
    if (lengths.size() != static_cast<size_t>(s.batch) ||
        std::ranges::any_of(lengths, is_outside)) {
      return InputInvalid("the sequences' lengths don't fit the input");
    }
    Operands operands;
    TRY(operands.x, Values(context, kX));
    TRY(operands.initial, Values(context, kInitialHidden));
    const int64_t d = a_.directions;
    TRY(operands.y, MakeOutput(context, 0,
                               a_.batch_first ? Shape{s.batch, s.steps, d, s.hidden}
                                              : Shape{s.steps, d, s.batch, s.hidden}));
    TRY(operands.last, MakeOutput(context, 1, StateShape(s)));
    for (int64_t direction = 0; direction < d; ++direction) {
      TRY_OK(Direction(context, a_, s, operands, direction).Run(lengths));
    }
    return {};
  }

 private:
  static Result<const float*> Values(KernelContext& context, size_t index) {
    if (!context.HasInput(index)) return nullptr;
    TRY(const TensorView view, context.Input(index));
    return view.Values<float>().data();
  }

  static Result<float*> MakeOutput(KernelContext& context, size_t index, Shape shape) {
    if (!context.WantsOutput(index)) return nullptr;
    TRY(Tensor * output, context.Output(index, ElementType::kFloat, std::move(shape)));
    return output->MutableValues<float>().data();
  }

  Shape StateShape(const RecurrentShape& s) const {
    return a_.batch_first ? Shape{s.batch, a_.directions, s.hidden}
                          : Shape{a_.directions, s.batch, s.hidden};
  }

  Result<RecurrentShape> ReadShape(const KernelContext& context) const {
    for (const size_t required : {kX, kWeights, kRecurrence}) {
      TRY_OK(RequireFloat(context, required));
    }
    const Shape& x = context.InputShape(kX);
    const Shape& r = context.InputShape(kRecurrence);
    if (x.size() != 3 || r.size() != 3 || r[2] < 1 || r[2] > int64_t{1} << 30) {
      return ShapeInvalid("X, W and R must have three axes");
    }
    RecurrentShape s{x[0], x[1], x[2], r[2]};
    if (a_.batch_first) std::swap(s.steps, s.batch);
    const int64_t width = a_.gates * s.hidden;
    TRY_OK(Expect(context, kWeights, {a_.directions, width, s.inputs}));
    TRY_OK(Expect(context, kRecurrence, {a_.directions, width, s.hidden}));
    TRY_OK(Expect(context, kBias, {a_.directions, 2 * width}));
    TRY_OK(Expect(context, kInitialHidden, StateShape(s)));
    return s;
  }

  static Done Expect(const KernelContext& context, size_t input, const Shape& shape) {
    if (!context.HasInput(input)) return {};
    TRY_OK(RequireFloat(context, input));
    if (context.InputShape(input) == shape) return {};
    return ShapeInvalid("input " + std::to_string(input) + " doesn't fit the others");
  }

  RecurrentAttributes a_;
};

MadeKernel MakeRecurrent(const NodeSpec& node, int64_t gates) {
  TRY_OK(CheckArity(node,
                    {.least_inputs = 3, .most_inputs = 6, .least_outputs = 0, .most_outputs = 2}));
  const Attributes& attributes = node.attributes;
  RecurrentAttributes read;
  read.gates = gates;
  TRY(const std::string name, attributes.String("direction", "forward"));
  const std::string_view direction = name;
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return AttributeInvalid(node.op + ": attribute 'direction' has none of its three values");
  }
  read.directions = direction == "bidirectional" ? 2 : 1;
  read.reverse = direction == "reverse";
  TRY(const int64_t layout, attributes.Int("layout", 0));
  TRY(const int64_t linear, attributes.Int("linear_before_reset", 0));
  read.batch_first = layout != 0;
  read.linear_before_reset = linear != 0 && gates == 3;
  if (attributes.Has("clip")) {
    TRY(read.clip, attributes.Float("clip", 0));
    if (!(*read.clip >= 0)) return AttributeInvalid(node.op + ": attribute 'clip' is negative");
  }
  std::vector<std::string> names;
  for (int64_t i = 0; i < read.directions; ++i) {
    if (gates == 3) names.emplace_back("Sigmoid");
    names.emplace_back("Tanh");
  }
  const size_t count = names.size();
  TRY(names, attributes.Strings("activations", names));
  TRY(const std::vector<float> alphas, attributes.Floats("activation_alpha", {}));
  TRY(const std::vector<float> betas, attributes.Floats("activation_beta", {}));
  if (names.size() != count) {
    return AttributeInvalid(node.op + ": attribute 'activations' names too few or too many");
  }
  TRY(read.activations, RecurrentActivation::Read(names, alphas, betas));
  return std::make_unique<Recurrent>(std::move(read));
}

}  // namespace

/// Source: ONNX operator RNN, versions 7 and 14.
MadeKernel MakeRNN(const NodeSpec& node) { return MakeRecurrent(node, 1); }

/// Source: ONNX operator GRU, versions 7 and 14.
MadeKernel MakeGRU(const NodeSpec& node) { return MakeRecurrent(node, 3); }

}  // namespace ephemeralml::engine::kernels
