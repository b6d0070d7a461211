#include "client/decompose/prepare/epilogue.h"

namespace ephemeralml::decompose {

Epilogue FollowEpilogue(const Rewriter& rewriter, const Facts& facts, const ProgramNode& product,
                        const onnx::Tensor* bias, const FindBias& find_bias) {
  Epilogue epilogue{.bias = bias, .residual = 0, .activation = {}, .last = &product};
  while (const ProgramNode* sum = rewriter.OnlyUser(epilogue.last->outputs[0])) {
    if (!Is(*sum, "Add")) break;
    const ValueId value = epilogue.last->outputs[0];
    const ValueId other = OtherOperand(*sum, value);
    const onnx::Tensor* added = other == 0 ? nullptr : find_bias(other);
    if (added != nullptr && epilogue.bias == nullptr) {
      epilogue.bias = added;
    } else if (added == nullptr && other != 0 && epilogue.residual == 0 &&
               !rewriter.program().constants.contains(other) && facts.HaveSameShape(other, value)) {
      epilogue.residual = other;
    } else {
      break;
    }
    epilogue.last = sum;
  }
  const auto matched = MatchActivation(rewriter, facts, epilogue.last->outputs[0]);
  if (matched) {
    epilogue.activation = matched->activation;
    epilogue.last = matched->last;
  }
  return epilogue;
}

}  // namespace ephemeralml::decompose
