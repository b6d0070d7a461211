#include "client/decompose/program.h"

namespace ephemeralml::decompose {

std::string Describe(const ProgramNode& node) {
  const std::string op(node.op);
  if (node.source == nullptr) return op + " node of our own";
  if (!node.source->name.empty()) return op + " node '" + std::string(node.source->name) + "'";
  for (const std::string_view output : node.source->outputs) {
    if (!output.empty()) return op + " node that makes '" + std::string(output) + "'";
  }
  return op + " node without a name";
}

}  // namespace ephemeralml::decompose
