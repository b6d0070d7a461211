#include "tests/conformance/run_case.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "common/operators/operators.h"
#include "tests/conformance/compare.h"

namespace ephemeralml::conformance {
namespace {

// Weights are tensors of numbers.
bool CanBeWeight(const Value& value) {
  return value.kind == wire::ValueKind::kTensor && value.type != wire::ElementType::kString;
}

// The model with all inputs but `kept` made initializers. None if it has no other tensors, or the
// kept one isn't an input that the model declares.
std::optional<::onnx::ModelProto> WithWeights(const ::onnx::ModelProto& model,
                                              const std::vector<Value>& inputs, size_t kept) {
  ::onnx::ModelProto changed = model;
  auto& declared = *changed.mutable_graph()->mutable_input();
  bool any = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (i == kept || !CanBeWeight(inputs[i])) continue;
    const auto found = std::ranges::find(
        declared, inputs[i].name, [](const auto& input) -> const auto& { return input.name(); });
    if (found == declared.end() || found->type().has_optional_type()) continue;
    declared.erase(found);
    *changed.mutable_graph()->add_initializer() = ToProto(inputs[i]);
    any = true;
  }
  return any ? std::optional(std::move(changed)) : std::nullopt;
}

std::vector<Value> Declared(const ::onnx::ModelProto& model, const std::vector<Value>& inputs) {
  std::set<std::string> names;
  for (const auto& input : model.graph().input()) names.insert(input.name());
  std::vector<Value> declared;
  for (const Value& input : inputs) {
    if (names.contains(input.name)) declared.push_back(Copy(input));
  }
  return declared;
}

std::string Judge(const DataSet& set, const std::vector<Value>& outputs) {
  for (const Value& expected : set.outputs) {
    const auto given = std::ranges::find(outputs, expected.name, &Value::name);
    if (given == outputs.end()) return "no output '" + expected.name + "'";
    const std::string difference = Difference(expected, *given);
    if (!difference.empty()) return "output '" + expected.name + "': " + difference;
  }
  return "";
}

class Runs {
 public:
  explicit Runs(Product& product) : product_(product) {}

  Outcome Of(const Case& test) {
    for (const DataSet& set : test.sets) {
      RunBoth(test.model, set, "inputs as they are");
      for (size_t kept = 0; kept < set.inputs.size() && outcome_.passed; ++kept) {
        const auto changed = WithWeights(test.model, set.inputs, kept);
        if (changed) RunBoth(*changed, set, "weights but '" + set.inputs[kept].name + "'");
      }
    }
    return outcome_;
  }

 private:
  void RunBoth(const ::onnx::ModelProto& model, const DataSet& set, const std::string& what) {
    for (const bool preparation : {false, true}) {
      if (!outcome_.passed) return;
      const auto outputs = product_.Run(model, Declared(model, set.inputs), preparation);
      const std::string why =
          outputs ? Judge(set, *outputs)
                  : std::string(outputs.error().reason) + ": " + outputs.error().what;
      if (why.empty()) continue;
      outcome_ = {false, what + (preparation ? ", prepared: " : ": ") + why};
    }
  }

  Product& product_;
  Outcome outcome_;
};

}  // namespace

Outcome RunCase(Product& product, const Case& test) { return Runs(product).Of(test); }

std::vector<std::string> MissingOperators(const ::onnx::ModelProto& model) {
  std::map<std::string, int64_t> versions;
  for (const auto& set : model.opset_import()) {
    versions[set.domain() == "ai.onnx" ? "" : set.domain()] = set.version();
  }
  std::set<std::string> missing;
  for (const auto& node : model.graph().node()) {
    const int64_t version = versions[node.domain()];
    if (operators::IsSupported(node.domain(), node.op_type(), version)) continue;
    missing.insert((node.domain().empty() ? "" : node.domain() + "::") + node.op_type());
  }
  return {missing.begin(), missing.end()};
}

}  // namespace ephemeralml::conformance
