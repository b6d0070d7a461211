#include <algorithm>
#include <utility>

#include "client/decompose/prepare/passes.h"
#include "client/decompose/prepare/rewriter.h"

namespace ephemeralml::decompose {
namespace {

template <class T>
void Append(Bytes& bytes, T number) {
  const auto* begin = reinterpret_cast<const uint8_t*>(&number);
  bytes.insert(bytes.end(), begin, begin + sizeof(T));
}

const onnx::Tensor* IntegerLiteral(Program& program, const Elements& elements) {
  const auto is_known = [](const Size& size) { return size.IsKnown(); };
  if (!std::ranges::all_of(elements.values, is_known)) return nullptr;
  Bytes bytes;
  for (const Size& element : elements.values) {
    if (elements.type == wire::ElementType::kInt32) {
      Append(bytes, static_cast<int32_t>(element.value));
    } else {
      Append(bytes, element.value);
    }
  }
  return &AddLiteral(program, elements.type, elements.dims, bytes);
}

const onnx::Tensor* FloatLiteral(Program& program, const Facts& facts, ValueId value) {
  const auto number = facts.FloatOf(value);
  const SizeList* shape = facts.ShapeOf(value);
  if (!number || shape == nullptr || !std::ranges::all_of(*shape, [](Size s) { return s.Is(1); })) {
    return nullptr;
  }
  Bytes bytes;
  Append(bytes, *number);
  return &AddLiteral(program, wire::ElementType::kFloat, std::vector<int64_t>(shape->size(), 1),
                     bytes);
}

}  // namespace

void FoldConstants(Program& program, ProgramGraph& graph, const Facts& facts) {
  Rewriter rewriter(program, graph);
  rewriter.ForEach([&](const ProgramNode& node) {
    if (node.outputs.size() != 1 || rewriter.IsOutput(node.outputs[0])) return;
    const ValueId value = node.outputs[0];
    const Elements* elements = facts.ElementsOf(value);
    const onnx::Tensor* literal = elements != nullptr ? IntegerLiteral(program, *elements)
                                                      : FloatLiteral(program, facts, value);
    if (literal == nullptr) return;
    program.constants[value] = {"a folded constant", literal};
    rewriter.Drop(&node);
  });
  rewriter.Finish();
}

}  // namespace ephemeralml::decompose
