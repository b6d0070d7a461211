#pragma once
// Operators that map each element on its own: a function object per operator, one kernel for all.

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {

/// Elements that a thread maps at least.
inline constexpr size_t kElementwiseGrain = 16 * 1024;

template <class T, class Function>
EPHEMERAL_MULTIVERSION void MapRun(const T* source, T* target, size_t count, Function function) {
  for (size_t i = 0; i < count; ++i) target[i] = function(source[i]);
}

/// `target[i] = function(source[i])`, on all threads.
template <class T, class Function>
void Map(Threads& threads, const T* source, T* target, size_t count, const Function& function) {
  threads.ParallelFor(count, kElementwiseGrain, [&](size_t begin, size_t end) {
    MapRun(source + begin, target + begin, end - begin, function);
  });
}

/// One input, one output of the same type and shape, for the element types in `Types`. `Function`
/// is called with each element, and holds the node's attributes.
template <class Types, class Function>
class Unary final : public Kernel {
 public:
  explicit Unary(Function function) : function_(function) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    return WithType(Types{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.OutputToOverwrite(0, input.type, input.shape));
      const auto source = input.Values<T>();
      Map(context.threads(), source.data(), Raw<T>(*output), source.size(), function_);
      return {};
    });
  }

 private:
  Function function_;
};

template <class Types, class Function>
MadeKernel MakeUnary(const NodeSpec& node, Function function) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<Unary<Types, Function>>(function);
}

}  // namespace ephemeralml::engine::kernels
