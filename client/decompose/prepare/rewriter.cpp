#include "client/decompose/prepare/rewriter.h"

#include <algorithm>
#include <utility>

#include "common/base/result.h"

namespace ephemeralml::decompose {
namespace {

void RenameIn(ProgramNode& node, ValueId from, ValueId to) {
  std::ranges::replace(node.inputs, from, to);
  for (ProgramGraph& subgraph : node.subgraphs) {
    for (ProgramNode& inner : subgraph.nodes) RenameIn(inner, from, to);
  }
}

}  // namespace

Rewriter::Rewriter(Program& program, ProgramGraph& graph) : program_(program), graph_(graph) {
  for (const ProgramValue& output : graph.outputs) outputs_.insert(output.id);
  for (const ProgramNode& node : graph.nodes) {
    for (const ValueId output : node.outputs) {
      if (output != 0) producers_[output] = &node;
    }
    AddUses(node, node, true);
  }
}

void Rewriter::AddUses(const ProgramNode& user, const ProgramNode& below, bool direct) {
  for (const ValueId input : below.inputs) {
    if (input != 0) uses_[input].push_back({&user, direct});
  }
  for (const ProgramGraph& subgraph : below.subgraphs) {
    for (const ProgramNode& inner : subgraph.nodes) AddUses(user, inner, false);
  }
}

void Rewriter::RemoveUses(const ProgramNode* user, const ProgramNode& below) {
  for (const ValueId input : below.inputs) {
    std::erase_if(uses_[input], [&](const Use& use) { return use.node == user; });
  }
  for (const ProgramGraph& subgraph : below.subgraphs) {
    for (const ProgramNode& inner : subgraph.nodes) RemoveUses(user, inner);
  }
}

ProgramNode& Rewriter::Mutable(const ProgramNode* node) {
  const auto place = node - graph_.nodes.data();
  return graph_.nodes.at(static_cast<size_t>(place));
}

const ProgramNode* Rewriter::Producer(ValueId value) const {
  const auto found = producers_.find(value);
  return found == producers_.end() ? nullptr : found->second;
}

const ProgramNode* Rewriter::Producer(ValueId value, std::string_view op) const {
  const ProgramNode* node = Producer(value);
  return node != nullptr && Is(*node, op) && node->outputs[0] == value ? node : nullptr;
}

size_t Rewriter::UseCount(ValueId value) const {
  const auto found = uses_.find(value);
  const size_t nodes = found == uses_.end() ? 0 : found->second.size();
  return nodes + (IsOutput(value) ? 1 : 0);
}

const ProgramNode* Rewriter::OnlyUser(ValueId value) const {
  if (UseCount(value) != 1 || IsOutput(value)) return nullptr;
  const Use& use = uses_.at(value).front();
  return use.direct ? use.node : nullptr;
}

std::vector<const ProgramNode*> Rewriter::Users(ValueId value) const {
  std::vector<const ProgramNode*> users;
  const auto found = uses_.find(value);
  if (found == uses_.end() || IsOutput(value)) return users;
  for (const Use& use : found->second) {
    if (!use.direct) return {};
    users.push_back(use.node);
  }
  return users;
}

void Rewriter::DropIfUnused(ValueId value) {
  const ProgramNode* node = Producer(value);
  if (node == nullptr) return;
  const auto is_used = [&](ValueId output) { return output != 0 && UseCount(output) > 0; };
  if (std::ranges::none_of(node->outputs, is_used)) Drop(node);
}

void Rewriter::Replace(const ProgramNode* old, ProgramNode by) {
  CHECK(!by.outputs.empty() && by.outputs[0] == old->outputs[0]);
  ProgramNode& node = Mutable(old);
  RemoveUses(old, node);
  const std::vector<ValueId> inputs = std::exchange(node, std::move(by)).inputs;
  AddUses(node, node, true);
  for (const ValueId input : inputs) DropIfUnused(input);
}

void Rewriter::Redirect(ValueId from, ValueId to) {
  CHECK(!IsOutput(from));
  const std::vector<Use> moved = std::exchange(uses_[from], {});
  for (const Use& use : moved) RenameIn(Mutable(use.node), from, to);
  auto& uses = uses_[to];
  uses.insert(uses.end(), moved.begin(), moved.end());
}

bool Rewriter::Rename(ValueId old, ValueId by) {
  const ProgramNode* producer = Producer(old);
  if (producer == nullptr || IsOutput(old)) return false;
  std::ranges::replace(Mutable(producer).outputs, old, by);
  producers_.erase(old);
  producers_[by] = producer;
  Redirect(old, by);
  return true;
}

void Rewriter::Drop(const ProgramNode* node) {
  ProgramNode& gone = Mutable(node);
  RemoveUses(node, gone);
  for (const ValueId output : gone.outputs) {
    if (Producer(output) == node) producers_.erase(output);
  }
  const std::vector<ValueId> inputs = std::exchange(gone, {}).inputs;
  for (const ValueId input : inputs) DropIfUnused(input);
}

void Rewriter::Finish() {
  std::erase_if(graph_.nodes, [](const ProgramNode& node) { return IsGone(node); });
}

}  // namespace ephemeralml::decompose
