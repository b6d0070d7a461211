#pragma once
// What an operator's implementation sees. A kernel is made once per node when the graph is prepared
// (attributes are read and checked there) and runs once per execution. Weights never reach it as
// tensors: it takes a weight's panels one after the other (Panels), or asks for a small one whole
// for the time of this run (Input); the context opens, counts and wipes.

#include <memory>
#include <span>
#include <string>

#include "common/base/result.h"
#include "enclave/engine/base/attributes.h"
#include "enclave/engine/base/tensor.h"
#include "enclave/engine/base/threads.h"
#include "enclave/weights/panel_reader.h"

namespace ephemeralml::engine {

/// What a kernel is made from.
struct NodeSpec {
  std::string op;
  std::string domain;
  int64_t opset = 0;  ///< the version of the node's domain that the model imports
  size_t input_count = 0;
  size_t output_count = 0;
  Attributes attributes;
};

/// A subgraph from outside. Types and shapes are what the model says, so they may be missing, or
/// wrong.
struct GraphInterface {
  struct Output {
    ElementType type = ElementType::kUndefined;
    Shape shape;  ///< 0 for sizes that aren't known; empty if the rank isn't either
  };

  size_t inputs = 0;
  std::vector<Output> outputs;
};

/// Measured to be flat from 36 to 288 KiB, and small is what we want to have open: 384 steps for 64
/// columns, and their biases.
inline constexpr uint64_t kLargestPieceBytes = (384 + 1) * wire::kPanelColumns * sizeof(float);

/// One run of one node. Inputs and outputs are numbered as in the operator's definition.
class KernelContext {
 public:
  virtual ~KernelContext() = default;

  /// The number of inputs that the node lists; trailing optional ones may be left out.
  virtual size_t input_count() const = 0;
  virtual size_t output_count() const = 0;
  /// False if the input is left out.
  virtual bool HasInput(size_t index) const = 0;
  /// False if nobody reads the output.
  virtual bool WantsOutput(size_t index) const = 0;

  /// A bug if the input is absent.
  virtual ValueKind InputKind(size_t index) const = 0;

  // Type and shape, without opening a weight. A bug if the input is absent or no tensor.
  virtual ElementType InputType(size_t index) const = 0;
  virtual const Shape& InputShape(size_t index) const = 0;

  /// True if the input is a sealed weight.
  virtual bool IsWeight(size_t index) const = 0;
  /// True if its elements are a sealed weight's, though they may be lent as another type: what is
  /// made of them is wiped at once.
  virtual bool HoldsWeight(size_t index) const = 0;

  /// The input's elements. A weight is opened whole and wiped when Run returns.
  /// Errors: kUnauthentic `weights_unauthentic`, kOverLimit `session_memory_exceeded`.
  virtual Result<TensorView> Input(size_t index) = 0;

  /// A value of any kind, shared where it is an activation; a weight is copied. A bug if the input
  /// is absent. Errors: as Input.
  virtual Result<Tensor> InputValue(size_t index) = 0;

  /// The panels of a weight, from the first. A bug if the input isn't one.
  /// Errors: kMalformed `topology_malformed` (it is packed for another kind of operator).
  virtual Result<weights::PanelStream> Panels(size_t index) = 0;

  /// An input that is a weight packed in this layout; kMatrixPanels stands for kMatrixPairs too,
  /// and the weight tells which it is. A bug if the input is left out. Errors: kMalformed
  /// `topology_malformed` (it is anything else).
  virtual Result<weights::PackedWeight> Packed(size_t index, weights::PanelLayout layout) = 0;

  /// Makes an output, zeroed; the pointer is valid until Run returns. Errors: kOverLimit.
  virtual Result<Tensor*> Output(size_t index, ElementType type, Shape shape) = 0;
  /// Makes an output that holds anything, for kernels that write every element of it before they
  /// read one. Otherwise as Output.
  virtual Result<Tensor*> OutputToOverwrite(size_t index, ElementType type, Shape shape) = 0;

  /// Makes a value of any kind an output.
  virtual void SetOutput(size_t index, Tensor value) = 0;

  /// Makes an output that has an input's elements under another shape; copies only if it must.
  virtual Done ForwardInput(size_t input, size_t output, Shape shape) = 0;

  /// Zeroed arena memory, wiped when the block goes. Errors: kOverLimit `session_memory_exceeded`.
  virtual Result<ArenaBlock> Scratch(size_t bytes) = 0;
  /// As Scratch, but it holds anything: for kernels that write every byte before they read one.
  virtual Result<ArenaBlock> ScratchToOverwrite(size_t bytes) = 0;
  /// Where a thread opens pieces of packed weights, up to kLargestPieceBytes of them: `part` is the
  /// index of its part of a parallel region.
  virtual MutableByteSpan Window(size_t part) = 0;

  /// The sealed bytes that part `part` of `parts` probably opens first of the packed weight that a
  /// later node takes next; empty if there is none. For the cache, never to be read otherwise.
  virtual ByteSpan SealedAhead(size_t part, size_t parts) const = 0;

  /// For scratch memory that threads take for themselves.
  virtual Arena& arena() = 0;

  /// Runs a subgraph that takes no inputs (If's branches) and makes its outputs this node's.
  virtual Done RunGraph(const PreparedGraph& graph) = 0;

  /// What a subgraph takes and makes.
  virtual GraphInterface InterfaceOf(const PreparedGraph& graph) const = 0;
  /// Runs a subgraph on these inputs and returns its outputs. Each call counts as a step.
  /// Errors: kMalformed `topology_malformed` (another number of inputs), kOverLimit
  /// `step_limit_exceeded`, `time_limit_exceeded`, those of the subgraph.
  virtual Result<std::vector<Tensor>> CallGraph(const PreparedGraph& graph,
                                                std::vector<Tensor> inputs) = 0;

  virtual Threads& threads() = 0;
};

/// An operator's implementation. Threads: Run is called by one thread at a time.
class Kernel {
 public:
  virtual ~Kernel() = default;
  /// Errors: kMalformed `shape_invalid`, `input_invalid`; kUnsupported `type_unsupported`,
  /// `operator_unsupported`; those of KernelContext.
  virtual Done Run(KernelContext& context) const = 0;
};

using KernelMaker = Result<std::unique_ptr<Kernel>> (*)(const NodeSpec& node);

}  // namespace ephemeralml::engine
