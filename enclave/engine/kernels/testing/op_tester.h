#pragma once
// Runs one operator as the engine would, with inputs as activations, as constants or as weights
// that are really sealed, and compares its outputs. Every run happens in an arena of its own, which
// must be empty at the end. Used by the kernels' tests alone.
//
//   OpTester test("Gemm", 13);
//   test.Attr("alpha", 0.5f).Input<float>({2, 3}, x).Weight<float>({3, 4}, w, 2);
//   test.ExpectOutput<float>({2, 4}, y).Run();
//   test.ExpectError("shape_invalid");

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "enclave/engine/base/node_context.h"

namespace ephemeralml::engine::testing {

/// A tensor's elements outside any arena.
struct Value {
  ElementType type = ElementType::kUndefined;
  Shape shape;
  Bytes bytes;

  template <class T>
  static Value Of(Shape shape, const std::vector<T>& values) {
    Value value{TypeOf<T>(), std::move(shape), Bytes(values.size() * sizeof(T))};
    for (size_t i = 0; i < values.size(); ++i) {
      const T element = values[i];  // std::vector<bool> holds no bools
      std::copy_n(reinterpret_cast<const uint8_t*>(&element), sizeof(T),
                  value.bytes.data() + i * sizeof(T));
    }
    return value;
  }

  template <class T>
  std::vector<T> Values() const {
    CHECK(type == TypeOf<T>());
    std::vector<T> values(bytes.size() / sizeof(T));
    for (size_t i = 0; i < values.size(); ++i) {
      T element;
      std::copy_n(bytes.data() + i * sizeof(T), sizeof(T), reinterpret_cast<uint8_t*>(&element));
      values[i] = element;
    }
    return values;
  }
};

class OpTester {
 public:
  explicit OpTester(std::string op, int64_t opset = 17, std::string domain = "");

  OpTester& Attr(std::string name, AttributeValue value);
  /// ONNX's integers are 64 bits wide, its strings std::string: so that plain literals work.
  OpTester& Attr(std::string name, int value) {
    return Attr(std::move(name), AttributeValue(int64_t{value}));
  }
  OpTester& Attr(std::string name, float value) {
    return Attr(std::move(name), AttributeValue(value));
  }
  OpTester& Attr(std::string name, const char* value) {
    return Attr(std::move(name), AttributeValue(std::string(value)));
  }
  OpTester& Ints(std::string name, std::vector<int64_t> values) {
    return Attr(std::move(name), AttributeValue(std::move(values)));
  }
  OpTester& Floats(std::string name, std::vector<float> values) {
    return Attr(std::move(name), AttributeValue(std::move(values)));
  }

  /// The next input, as an activation.
  template <class T>
  OpTester& Input(Shape shape, const std::vector<T>& values) {
    return AddInput({Value::Of<T>(std::move(shape), values)});
  }
  /// The next input, as a constant inside the topology.
  template <class T>
  OpTester& Constant(Shape shape, const std::vector<T>& values) {
    return AddInput({Value::Of<T>(std::move(shape), values), Kind::kConstant});
  }
  /// The next input, as a sealed weight in panels of `panel_extent` rows (0: one panel).
  template <class T>
  OpTester& Weight(Shape shape, const std::vector<T>& values, uint64_t panel_extent = 0) {
    return AddInput({Value::Of<T>(std::move(shape), values), Kind::kWeight, panel_extent});
  }
  /// The next input, a matrix, as a sealed weight in panels of `panel_extent` columns (0: one
  /// panel).
  template <class T>
  OpTester& ColumnWeight(Shape shape, const std::vector<T>& values, uint64_t panel_extent = 0) {
    return AddInput({Value::Of<T>(std::move(shape), values), Kind::kColumnWeight, panel_extent});
  }
  /// The next input, a matrix, as a weight in MATRIX_PANELS; `bias` is empty or has one a column.
  OpTester& MatrixWeight(Shape shape, const std::vector<float>& values,
                         const std::vector<float>& bias) {
    return PackedWeight(std::move(shape), values, bias, weights::PanelLayout::kMatrixPanels);
  }
  /// The next input as a weight in any packed layout.
  OpTester& PackedWeight(Shape shape, const std::vector<float>& values,
                         const std::vector<float>& bias, weights::PanelLayout layout) {
    return AddInput({Value::Of<float>(std::move(shape), values), Kind::kPacked, 0, layout, bias});
  }
  /// The next input, a tensor of strings, as an activation.
  OpTester& Texts(Shape shape, std::vector<std::string> texts) {
    TestInput input{{ElementType::kString, std::move(shape), {}}, Kind::kTexts};
    input.texts = std::move(texts);
    return AddInput(std::move(input));
  }
  /// The next input, bytes of a type that C++ has no name for, as an activation or a sealed weight.
  OpTester& InputBytes(ElementType type, Shape shape, Bytes bytes, bool is_weight = false) {
    return AddInput({{type, std::move(shape), std::move(bytes)},
                     is_weight ? Kind::kWeight : Kind::kActivation});
  }
  /// The next input is left out.
  OpTester& NoInput() { return AddInput({{}, Kind::kAbsent}); }

  /// The next output must have this shape and these values: floats within 1e-5 + 1e-5 * |value|
  /// (see Tolerance), others equal.
  template <class T>
  OpTester& ExpectOutput(Shape shape, const std::vector<T>& values) {
    return AddExpected(Value::Of<T>(std::move(shape), values));
  }
  OpTester& ExpectBytes(ElementType type, Shape shape, Bytes bytes) {
    return AddExpected(Value{type, std::move(shape), std::move(bytes)});
  }
  /// The next output is listed by the node and read by nobody.
  OpTester& UnwantedOutput() { return AddExpected(std::nullopt); }
  OpTester& Tolerance(double absolute, double relative);
  OpTester& ThreadCount(size_t count);

  /// Runs the operator and fails the test unless it makes the expected outputs.
  void Run();
  /// Makes and runs the operator and fails the test unless one of them fails with this reason.
  void ExpectError(std::string_view reason);
  /// Runs the operator with `output_count` outputs and returns them.
  Result<std::vector<Value>> Outputs(size_t output_count = 1);

  /// The most plaintext of weights that the last run held at once, as its ledger has it.
  uint64_t peak_plaintext_bytes() const { return peak_plaintext_bytes_; }

  /// The chunks of weights that the last run opened, one twice counting as two.
  uint64_t chunks_opened() const { return chunks_opened_; }

  /// Subgraphs' results, for operators that run them: called instead of the engine.
  OpTester& RunGraphWith(std::function<Result<std::vector<Value>>(const PreparedGraph&)> run);

 private:
  enum class Kind { kActivation, kConstant, kWeight, kColumnWeight, kPacked, kTexts, kAbsent };
  struct TestInput {
    Value value;
    Kind kind = Kind::kActivation;
    uint64_t panel_extent = 0;
    weights::PanelLayout layout = weights::PanelLayout::kRows;
    std::vector<float> bias = {};
    std::vector<std::string> texts = {};
  };

  OpTester& AddInput(TestInput input);
  OpTester& AddExpected(std::optional<Value> expected);
  Result<std::vector<Value>> Execute(const std::vector<bool>& wants_output);

  std::string op_;
  int64_t opset_;
  std::string domain_;
  std::map<std::string, AttributeValue, std::less<>> attributes_;
  std::vector<TestInput> inputs_;
  std::vector<std::optional<Value>> expected_;
  double absolute_ = 1e-5;
  double relative_ = 1e-5;
  size_t thread_count_ = 2;
  uint64_t peak_plaintext_bytes_ = 0;
  uint64_t chunks_opened_ = 0;
  std::function<Result<std::vector<Value>>(const PreparedGraph&)> run_graph_;
};

}  // namespace ephemeralml::engine::testing
