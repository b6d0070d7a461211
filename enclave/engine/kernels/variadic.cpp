// Max, Min, Sum, Mean: any number of operands of one type under broadcasting.

#include "enclave/engine/kernels/binary.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr size_t kMostOperands = 4096;

template <class T, class Function>
EPHEMERAL_MULTIVERSION void FoldRun(T* out, const T* next, size_t step, size_t count,
                                    Function function) {
  if (step == 1) {
    for (size_t i = 0; i < count; ++i) out[i] = function(out[i], next[i]);
  } else {
    const T value = *next;
    for (size_t i = 0; i < count; ++i) out[i] = function(out[i], value);
  }
}

// `out[i] = function(out[i], next[…])`, on all threads.
template <class T, class Function>
Done Fold(KernelContext& context, const TensorView& next, Tensor& out, const Function& function) {
  TRY(const Broadcast broadcast, Broadcast::Create({&out.shape(), &next.shape}));
  T* values = Raw<T>(out);
  const T* operand = Raw<T>(next);
  context.threads().ParallelFor(broadcast.count(), kElementwiseGrain,
                                [&](size_t begin, size_t end) {
                                  broadcast.ForEachRun(begin, end, [&](const Broadcast::Run& run) {
                                    FoldRun(values + run.output, operand + run.operand[1],
                                            broadcast.step(1), run.length, function);
                                  });
                                });
  return {};
}

template <class Types, class Function>
class Variadic final : public Kernel {
 public:
  Variadic(Function function, bool averages) : function_(function), averages_(averages) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const ElementType type = context.InputType(0);
    Shape shape = context.InputShape(0);
    for (size_t i = 1; i < context.input_count(); ++i) {
      TRY_OK(RequireInput(context, i));
      if (context.InputType(i) != type) return InputInvalid("the operands' types differ");
      TRY(shape, BroadcastShapes(shape, context.InputShape(i)));
    }
    return WithType(Types{}, type, [&]<class T>(std::type_identity<T>) -> Done {
      if (context.input_count() == 1) return context.ForwardInput(0, 0, shape);
      if (context.input_count() == 2 && !averages_) return RunPair<T>(context);
      TRY(Tensor * output, context.Output(0, type, shape));
      for (size_t i = 0; i < context.input_count(); ++i) {
        TRY(const TensorView next, context.Input(i));
        TRY_OK(i == 0 ? Fold<T>(context, next, *output, [](T, T value) { return value; })
                      : Fold<T>(context, next, *output, function_));
      }
      if (averages_) {
        const auto count = static_cast<T>(context.input_count());
        Map(context.threads(), Raw<T>(*output), Raw<T>(*output), output->byte_count() / sizeof(T),
            [count](T total) -> T { return static_cast<T>(total / count); });
      }
      return {};
    });
  }

 private:
  template <class T>
  Done RunPair(KernelContext& context) const {
    TRY(const Operands operands, ReadOperands(context));
    const Broadcast& broadcast = operands.broadcast;
    TRY(Tensor * output, context.Output(0, operands.a.type, broadcast.output_shape()));
    Zip(context.threads(), broadcast, Raw<T>(operands.a), Raw<T>(operands.b), Raw<T>(*output),
        function_);
    return {};
  }

  Function function_;
  bool averages_;
};

template <class Types, class Function>
MadeKernel MakeVariadic(const NodeSpec& node, Function function, bool averages = false) {
  TRY_OK(CheckArity(node, {.least_inputs = 1, .most_inputs = kMostOperands}));
  return std::make_unique<Variadic<Types, Function>>(function, averages);
}

}  // namespace

/// The largest; NaN if any is. Source: ONNX operator Max, versions 1 to 13.
MadeKernel MakeMax(const NodeSpec& node) {
  return MakeVariadic<NumericTypes>(node,
                                    []<class T>(T a, T b) -> T { return a > b || a != a ? a : b; });
}

/// The smallest; NaN if any is. Source: ONNX operator Min, versions 1 to 13.
MadeKernel MakeMin(const NodeSpec& node) {
  return MakeVariadic<NumericTypes>(node,
                                    []<class T>(T a, T b) -> T { return a < b || a != a ? a : b; });
}

/// Source: ONNX operator Sum, versions 1 to 13.
MadeKernel MakeSum(const NodeSpec& node) {
  return MakeVariadic<FloatTypes>(node, []<class T>(T a, T b) -> T { return a + b; });
}

/// Source: ONNX operator Mean, versions 1 to 13.
MadeKernel MakeMean(const NodeSpec& node) {
  return MakeVariadic<FloatTypes>(
      node, []<class T>(T a, T b) -> T { return a + b; }, true);
}

}  // namespace ephemeralml::engine::kernels
