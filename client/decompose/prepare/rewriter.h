#pragma once
// Rewrites one graph of a program in place and keeps count of who uses what. Each pass makes one
// for every graph, looks for patterns, replaces the last node of each, and finishes. What nothing
// uses any more is dropped as soon as that is so. Nodes of subgraphs stay as they are, and so does
// what they use; what graphs around it make or use isn't seen.

#include <set>
#include <unordered_map>

#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {

class Rewriter {
 public:
  /// Needs an order of execution. Pointers to nodes stay valid until Finish.
  Rewriter(Program& program, ProgramGraph& graph);
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  Program& program() const { return program_; }

  /// Calls `visit` for every node of the graph that is still there, in the order of execution.
  template <class Visit>
  void ForEach(Visit&& visit) {
    for (ProgramNode& node : graph_.nodes) {
      if (!IsGone(node)) visit(std::as_const(node));
    }
  }

  /// The node that makes the value; null for constants, inputs, and what graphs around it make.
  const ProgramNode* Producer(ValueId value) const;
  /// As Producer, if it is this operator of ai.onnx and `value` its first output; else null.
  const ProgramNode* Producer(ValueId value, std::string_view op) const;
  /// Uses by nodes, those in subgraphs included, and as an output of the graph.
  size_t UseCount(ValueId value) const;
  bool IsOutput(ValueId value) const { return outputs_.contains(value); }
  /// The one node of the graph that uses the value, and uses it once; null if it's an output of the
  /// graph or a subgraph uses it.
  const ProgramNode* OnlyUser(ValueId value) const;

  /// The nodes of the graph that use the value, each as often as it does; empty if it's an output
  /// or a subgraph uses it.
  std::vector<const ProgramNode*> Users(ValueId value) const;

  /// Puts `by` where `old` stood. `by` makes `old`'s first output; what else `old` made must be
  /// unused. Every input of `by` must be made before `old`.
  void Replace(const ProgramNode* old, ProgramNode by);
  /// Makes every use of `from`, in subgraphs too, a use of `to`. `from` is no output of the graph.
  void Redirect(ValueId from, ValueId to);
  /// Lets `by` be the name of what `old` was, where it's made and where it's used: for a node that
  /// did nothing but give `old` the name of an output. False if that can't be.
  bool Rename(ValueId old, ValueId by);
  /// Takes the node away. Nothing may use what it made, unless constants took its place.
  void Drop(const ProgramNode* node);
  /// Removes what was dropped. The rewriter is of no use afterwards.
  void Finish();

 private:
  static bool IsGone(const ProgramNode& node) { return node.op.empty(); }
  ProgramNode& Mutable(const ProgramNode* node);
  void AddUses(const ProgramNode& user, const ProgramNode& below, bool direct);
  void RemoveUses(const ProgramNode* user, const ProgramNode& below);
  void DropIfUnused(ValueId value);

  struct Use {
    const ProgramNode* node = nullptr;
    bool direct = true;  ///< false: by a node of a subgraph
  };

  Program& program_;
  ProgramGraph& graph_;
  std::unordered_map<ValueId, const ProgramNode*> producers_;
  std::unordered_map<ValueId, std::vector<Use>> uses_;
  std::set<ValueId> outputs_;
};

}  // namespace ephemeralml::decompose
