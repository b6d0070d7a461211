#include "client/decompose/program/order.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace ephemeralml::decompose {
namespace {

// All values that a node reads, those that its subgraphs read included (and a few that they make
// themselves: ids are unique, so these do no harm).
void CollectUses(const ProgramNode& node, std::unordered_set<ValueId>& uses) {
  for (const ValueId input : node.inputs) {
    if (input != 0) uses.insert(input);
  }
  for (const ProgramGraph& subgraph : node.subgraphs) {
    for (const ProgramNode& inner : subgraph.nodes) CollectUses(inner, uses);
  }
}

std::unordered_map<ValueId, size_t> Producers(const ProgramGraph& graph) {
  std::unordered_map<ValueId, size_t> producers;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId output : graph.nodes[i].outputs) {
      if (output != 0) producers.emplace(output, i);
    }
  }
  return producers;
}

}  // namespace

// Kahn's algorithm; among the nodes that are ready, the model's first comes first.
Done OrderNodes(ProgramGraph& graph) {
  const auto producers = Producers(graph);
  std::vector<std::vector<size_t>> dependents(graph.nodes.size());
  std::vector<size_t> missing(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (ProgramGraph& subgraph : graph.nodes[i].subgraphs) TRY_OK(OrderNodes(subgraph));
    std::unordered_set<ValueId> uses;
    CollectUses(graph.nodes[i], uses);
    for (const ValueId use : uses) {
      const auto producer = producers.find(use);
      if (producer == producers.end()) continue;
      dependents[producer->second].push_back(i);
      ++missing[i];
    }
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < missing.size(); ++i) {
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<ProgramNode> ordered;
  ordered.reserve(graph.nodes.size());
  while (!ready.empty()) {
    const size_t next = ready.top();
    ready.pop();
    ordered.push_back(std::move(graph.nodes[next]));
    for (const size_t dependent : dependents[next]) {
      if (--missing[dependent] == 0) ready.push(dependent);
    }
  }
  if (ordered.size() != graph.nodes.size()) {
    for (size_t i = 0; i < missing.size(); ++i) {
      if (missing[i] == 0) continue;
      return Error{Code::kMalformed, "graph_invalid",
                   "the graph has a cycle; the " + Describe(graph.nodes[i]) +
                       " is part of it or "
                       "waits for it"};
    }
  }
  graph.nodes = std::move(ordered);
  return {};
}

void DropDeadNodes(ProgramGraph& graph) {
  std::unordered_set<ValueId> live;
  for (const ProgramValue& output : graph.outputs) live.insert(output.id);
  std::vector<ProgramNode> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool is_live =
        std::ranges::any_of(node->outputs, [&](ValueId output) { return live.contains(output); });
    if (!is_live) continue;
    for (ProgramGraph& subgraph : node->subgraphs) DropDeadNodes(subgraph);
    CollectUses(*node, live);
    kept.push_back(std::move(*node));
  }
  graph.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
}

}  // namespace ephemeralml::decompose
