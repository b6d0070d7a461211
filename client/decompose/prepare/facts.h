#pragma once
// What can be known of a program's values before it runs: shapes with symbols for the sizes that
// only inputs tell, and the elements of small integer tensors, which shapes are computed with.
// Everything here holds for every run that the engine wouldn't refuse.

#include <map>
#include <optional>
#include <vector>

#include "client/decompose/onnx/external_files.h"
#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {

/// The most elements of a tensor whose elements are followed.
inline constexpr size_t kMostFollowedElements = 64;

/// A number, or a symbol that stands for one. Equal symbols are equal numbers; different ones may
/// be equal, too.
struct Size {
  /// Of an element of which nothing is known: it is no dimension, and equal to nothing.
  static constexpr uint32_t kAnything = UINT32_MAX;

  int64_t value = 0;    ///< if there is no symbol
  uint32_t symbol = 0;  ///< 0: none

  bool IsKnown() const { return symbol == 0; }
  bool Is(int64_t number) const { return IsKnown() && value == number; }
  friend bool operator==(const Size&, const Size&) = default;
};
using SizeList = std::vector<Size>;

/// A small tensor of integers.
struct Elements {
  wire::ElementType type = wire::ElementType::kUndefined;  ///< kInt32 or kInt64
  std::vector<int64_t> dims;
  SizeList values;  ///< row-major
};

class Facts {
 public:
  /// Follows all graphs, which must be in an order of execution. What a node makes by running a
  /// subgraph stays unknown, and so do a subgraph's inputs; of what a loop's body makes, facts hold
  /// within one round.
  Facts(const Program& program, onnx::ExternalFiles& files);

  /// Null: not even the rank is known.
  const SizeList* ShapeOf(ValueId value) const;
  /// Null: not known, or no small tensor of integers.
  const Elements* ElementsOf(ValueId value) const;
  /// A float tensor of one element that is computed from constants and shapes alone.
  std::optional<float> FloatOf(ValueId value) const;

  /// The elements of a small constant list of floats; null if it is anything else.
  const std::vector<float>* FloatsOf(ValueId value) const;

  /// True if both shapes are known and the same in every run.
  bool HaveSameShape(ValueId a, ValueId b) const;
  /// True if the last dimension is known to be this.
  bool LastDimensionIs(ValueId value, int64_t size) const;

  /// Values keep their facts when they get another number.
  void Rename(ValueId old, ValueId by);

  // For the rules, while the graph is followed.
  Size NewSymbol() { return {.value = 0, .symbol = ++last_symbol_}; }
  /// A symbol for min(size, n), n being a positive number.
  Size NewClipped(Size size);
  /// The dimension that broadcasting makes of two. Source: ONNX, "Multidirectional Broadcasting".
  Size Broadcast(Size a, Size b);
  int64_t opset() const { return program_.opset; }

 private:
  void FollowConstants(onnx::ExternalFiles& files);
  void Follow(const ProgramGraph& graph);
  void Follow(const ProgramNode& node);

  const Program& program_;
  std::map<ValueId, SizeList> shapes_;
  std::map<ValueId, Elements> elements_;
  std::map<ValueId, float> floats_;
  std::map<ValueId, std::vector<float>> float_lists_;
  std::map<uint32_t, Size> clipped_;
  uint32_t last_symbol_ = 0;
};

}  // namespace ephemeralml::decompose
