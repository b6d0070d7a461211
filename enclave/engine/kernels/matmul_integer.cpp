// MatMulInteger and QLinearMatMul: products of 8-bit matrices, summed exactly.

#include <algorithm>

#include "enclave/engine/kernels/integer_product.h"
#include "enclave/engine/kernels/matrix_stacks.h"

namespace ephemeralml::engine::kernels {
namespace {

using ByteTypes = TypeList<int8_t, uint8_t>;

// Where a node lists an operand.
struct OperandInputs {
  size_t matrix = 0;
  size_t zero_point = 0;
};

// Numbers that belong to the rows of A or the columns of B: one for all, one each, or one each for
// every matrix of a stack.
template <class T>
struct PerLine {
  std::vector<T> values;
  T At(int64_t line) const { return values[static_cast<size_t>(line) % values.size()]; }
};

Done CheckLines(size_t count, int64_t lines, int64_t all_lines) {
  if (count == 1 || std::cmp_equal(count, lines) || std::cmp_equal(count, all_lines)) return {};
  return ShapeInvalid("a scale or zero point has neither one element nor one for each line");
}

// The sums of one node's run.
class IntegerMatMul {
 public:
  IntegerMatMul(KernelContext& context, OperandInputs a, OperandInputs b)
      : context_(context), a_(a), b_(b) {}

  Done Read() {
    TRY_OK(RequireInput(context_, a_.matrix));
    TRY_OK(RequireInput(context_, b_.matrix));
    TRY(stacks_, ReadStacks(context_.InputShape(a_.matrix), context_.InputShape(b_.matrix)));
    TRY(zeros_of_a_, ReadZeros(a_));
    TRY(zeros_of_b_, ReadZeros(b_));
    TRY_OK(CheckLines(zeros_of_a_.size(), stacks_.rows, AllRows()));
    return CheckLines(zeros_of_b_.size(), stacks_.columns, AllColumns());
  }

  const Stacks& stacks() const { return stacks_; }
  int64_t AllRows() const { return Matrices(stacks_.a) * stacks_.rows; }
  int64_t AllColumns() const { return Matrices(stacks_.b) * stacks_.columns; }

  /// `sums` has an element for each of the output's.
  Done Run(int32_t* sums) {
    TRY(const size_t matrices, ElementCount(stacks_.c));
    if (matrices == 0 || stacks_.rows == 0 || stacks_.columns == 0) return {};
    // Rows of a whole stack are the rows of one tall matrix, if all meet the same B.
    if (stacks_.b.empty()) return RunTall(sums);
    TRY(const TensorView a, context_.Input(a_.matrix));
    TRY(const TensorView b, context_.Input(b_.matrix));
    const int64_t size_of_a = std::max<int64_t>(stacks_.rows * stacks_.inner, 1);
    const int64_t size_of_b = std::max<int64_t>(stacks_.inner * stacks_.columns, 1);
    for (const Place& place : Places(stacks_, static_cast<int64_t>(matrices))) {
      TRY(const IntegerRows left,
          WidenA(a, place.a, stacks_.rows, place.a / size_of_a * stacks_.rows));
      TRY(const IntegerRows right, WidenB(b.type, b.bytes.data() + place.b, stacks_.columns,
                                          place.b / size_of_b * stacks_.columns));
      MultiplyRowsOn(context_.threads(), left, right, sums + place.c, stacks_.columns);
    }
    return {};
  }

 private:
  static int64_t Matrices(const Shape& stack) {
    int64_t count = 1;
    for (const int64_t extent : stack) count *= extent;
    return count;
  }

  Result<std::vector<int32_t>> ReadZeros(const OperandInputs& operand) {
    const size_t index = operand.zero_point;
    if (index >= context_.input_count() || !context_.HasInput(index)) {
      return std::vector<int32_t>(1);
    }
    if (context_.InputType(index) != context_.InputType(operand.matrix)) {
      return InputInvalid("a zero point isn't of its matrix's type");
    }
    TRY(const size_t count, ElementCount(context_.InputShape(index)));
    return ReadZeroPoints(context_, index, count);
  }

  Done RunTall(int32_t* sums) {
    TRY(const TensorView a, context_.Input(a_.matrix));
    TRY(const IntegerRows left, WidenA(a, 0, AllRows(), 0));
    if (!context_.IsWeight(b_.matrix) || stacks_.inner == 0) {
      TRY(const TensorView b, context_.Input(b_.matrix));
      TRY(const IntegerRows right, WidenB(b.type, b.bytes.data(), stacks_.columns, 0));
      MultiplyRowsOn(context_.threads(), left, right, sums, stacks_.columns);
      return {};
    }
    TRY(const weights::PanelStream panels, context_.Panels(b_.matrix));
    if (panels.weight().layout != weights::PanelLayout::kColumns) {
      TRY(const weights::OpenPanel whole, panels.OpenRowMajor());
      TRY(const IntegerRows right,
          WidenB(panels.weight().type, whole.bytes().data(), stacks_.columns, 0));
      MultiplyRowsOn(context_.threads(), left, right, sums, stacks_.columns);
      return {};
    }
    for (size_t i = 0; i < panels.panel_count(); ++i) {
      TRY(const weights::OpenPanel panel, panels.Open(i));
      TRY(const IntegerRows right, WidenB(panels.weight().type, panel.bytes().data(),
                                          panel.end() - panel.begin(), panel.begin()));
      MultiplyRowsOn(context_.threads(), left, right, sums + panel.begin(), stacks_.columns);
    }
    return {};
  }

  Result<IntegerRows> WidenA(const TensorView& a, int64_t offset, int64_t rows,
                             int64_t first_zero) {
    TRY(IntegerRows wide, IntegerRows::Create(context_.arena(), rows, stacks_.inner));
    TRY_OK(WithType(ByteTypes{}, a.type, [&]<class T>(std::type_identity<T>) -> Done {
      ForRows(wide, [&](int64_t begin, int64_t end) {
        WidenRows(Raw<T>(a) + offset, {zeros_of_a_}, first_zero, begin, end, wide);
      });
      return {};
    }));
    return wide;
  }

  // Columns of a matrix [inner, columns].
  Result<IntegerRows> WidenB(ElementType type, const uint8_t* bytes, int64_t columns,
                             int64_t first_zero) {
    TRY(IntegerRows wide, IntegerRows::Create(context_.arena(), columns, stacks_.inner));
    TRY_OK(WithType(ByteTypes{}, type, [&]<class T>(std::type_identity<T>) -> Done {
      ForRows(wide, [&](int64_t begin, int64_t end) {
        WidenColumns(reinterpret_cast<const T*>(bytes), {zeros_of_b_}, first_zero, begin, end,
                     wide);
      });
      return {};
    }));
    return wide;
  }

  template <class Body>
  void ForRows(const IntegerRows& rows, Body&& body) {
    const auto grain = static_cast<size_t>(64 * 1024 / std::max<int64_t>(rows.stride, 1) + 1);
    context_.threads().ParallelFor(static_cast<size_t>(rows.rows), grain,
                                   [&](size_t begin, size_t end) {
                                     body(static_cast<int64_t>(begin), static_cast<int64_t>(end));
                                   });
  }

  KernelContext& context_;
  OperandInputs a_;
  OperandInputs b_;
  Stacks stacks_;
  std::vector<int32_t> zeros_of_a_;
  std::vector<int32_t> zeros_of_b_;
};

class MatMulInteger final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    IntegerMatMul product(context, {0, 2}, {1, 3});
    TRY_OK(product.Read());
    TRY(Tensor * output, context.Output(0, ElementType::kInt32, product.stacks().output));
    return product.Run(output->MutableValues<int32_t>().data());
  }
};

class QLinearMatMul final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    IntegerMatMul product(context, {0, 2}, {3, 5});
    TRY_OK(product.Read());
    const Stacks& stacks = product.stacks();
    PerLine<float> a;
    PerLine<float> b;
    PerLine<float> y;
    PerLine<int32_t> zero;
    TRY(a.values, ReadScales(context, 1));
    TRY(b.values, ReadScales(context, 4));
    TRY(y.values, ReadScales(context, 6));
    TRY_OK(CheckLines(a.values.size(), stacks.rows, product.AllRows()));
    TRY_OK(CheckLines(b.values.size(), stacks.columns, stacks.columns));
    TRY_OK(CheckLines(y.values.size(), stacks.rows, product.AllRows()));
    TRY(zero.values, ReadZeroPoints(context, 7, y.values.size()));
    TRY_OK(RequireInput(context, 7));
    const ElementType type = context.InputType(7);
    return WithType(ByteTypes{}, type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, type, stacks.output));
      const size_t count = output->byte_count();
      if (count == 0) return {};
      TRY(ArenaBlock block, context.Scratch(count * sizeof(int32_t)));
      auto* sums = reinterpret_cast<int32_t*>(block.bytes().data());
      TRY_OK(product.Run(sums));
      T* target = Raw<T>(*output);
      std::vector<float> multipliers(static_cast<size_t>(stacks.columns));
      for (int64_t row = 0; row * stacks.columns < std::ssize(block.bytes()) / 4; ++row) {
        for (int64_t i = 0; i < stacks.columns; ++i) {
          multipliers[static_cast<size_t>(i)] = a.At(row) * b.At(i) / y.At(row);
        }
        RequantizeEach(sums + row * stacks.columns, multipliers.data(), zero.At(row),
                       target + row * stacks.columns, multipliers.size());
      }
      return {};
    });
  }
};

}  // namespace

/// NumPy's matmul of 8-bit integers less their zero points, as int32, which wraps. Zero points: one
/// for all, one for each row of A or column of B, or one for each of a stack's. Source: ONNX
/// operator MatMulInteger, version 10.
MadeKernel MakeMatMulInteger(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 4}));
  return std::make_unique<MatMulInteger>();
}

/// MatMulInteger, scaled and quantized to int8 or uint8. Source: ONNX operator QLinearMatMul,
/// versions 10 and 21.
MadeKernel MakeQLinearMatMul(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 8, .most_inputs = 8}));
  return std::make_unique<QLinearMatMul>();
}

}  // namespace ephemeralml::engine::kernels
