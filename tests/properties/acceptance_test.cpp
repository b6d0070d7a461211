// Property 2: a model is accepted if and only if all that it uses is supported; a refusal names all
// that is not, and nothing is written.

#include <filesystem>
#include <fstream>
#include <map>

#include "client/decompose/decompose.h"
#include "common/operators/operators.h"
#include "tests/properties/property.h"
#include "tests/properties/random_model.h"
#include "tests/support/process.h"

namespace ephemeralml::properties {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostNodes = 16;
constexpr int kCases = 200;
constexpr size_t kMostNamedNodes = 5;  // of one operator; the others are counted

/// Decomposes in a folder of its own.
struct Attempt {
  explicit Attempt(const ::onnx::ModelProto& model) {
    const testing_support::TemporaryFolder folder;
    std::ofstream(folder.path() / "model.onnx", std::ios::binary) << model.SerializeAsString();
    const auto report = decompose::Decompose(folder.path() / "model.onnx", folder.path() / "blob");
    accepted = report.has_value();
    if (!accepted) error = report.error();
    for (const auto& file : fs::directory_iterator(folder.path())) {
      files.insert(file.path().filename().string());
    }
  }
  bool Names(const std::string& text) const { return error.what.find(text) != std::string::npos; }
  bool WroteNothing() const { return files == std::set<std::string>{"model.onnx"}; }

  bool accepted = false;
  Error error = {Code::kInternal, "none", ""};
  std::set<std::string> files;
};

::onnx::ModelProto Parse(const RandomModel& model) {
  ::onnx::ModelProto parsed;
  CHECK(parsed.ParseFromArray(model.onnx.data(), static_cast<int>(model.onnx.size())));
  return parsed;
}

void CollectNodes(::onnx::GraphProto& graph, std::vector<::onnx::NodeProto*>& nodes) {
  for (auto& node : *graph.mutable_node()) {
    if (node.op_type() != "Constant") nodes.push_back(&node);
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) CollectNodes(*attribute.mutable_g(), nodes);
    }
  }
}

std::vector<::onnx::NodeProto*> NodesOf(::onnx::ModelProto& model) {
  std::vector<::onnx::NodeProto*> nodes;
  CollectNodes(*model.mutable_graph(), nodes);
  return nodes;
}

/// What the engine lacks. Each is of a domain that the models then import.
struct Foreign {
  std::string domain;
  std::string op;
  std::string named;  ///< as a refusal names it
};

Foreign ArbitraryForeign() {
  return *rc::gen::element(Foreign{"", "Gradient", "Gradient-17"},
                           Foreign{"", "Mish", "Mish-17"},  // from version 18 on
                           Foreign{"", "Gelu", "Gelu-17"},  // from version 20 on
                           Foreign{"", "relu", "relu-17"}, Foreign{"", "Conv2", "Conv2-17"},
                           Foreign{"com.microsoft", "BeamSearch", "com.microsoft::BeamSearch-1"},
                           Foreign{"com.microsoft", "Add", "com.microsoft::Add-1"},
                           Foreign{"ai.onnx.ml", "Scaler", "ai.onnx.ml::Scaler-1"});
}

void Import(::onnx::ModelProto& model, const std::string& domain) {
  for (const auto& known : model.opset_import()) {
    if (known.domain() == domain) return;
  }
  auto* set = model.add_opset_import();
  set->set_domain(domain);
  set->set_version(1);
}

TEST(Property2_Acceptance, AcceptsWhatIsSupported) {
  CheckProperty(2, kCases, [] {
    const RandomModel model = MakeRandomModel(ArbitraryRecipe(kMostNodes));
    const Attempt attempt(Parse(model));
    if (!attempt.accepted) RC_FAIL(attempt.error.what);
    RC_ASSERT(attempt.files == (std::set<std::string>{"model.onnx", "blob"}));
  });
}

// Any nodes become other operators: each operator and each node is named, and no node that is fine.
TEST(Property2_Acceptance, NamesEveryOperatorThatIsMissingAndItsNodes) {
  CheckProperty(2, kCases, [] {
    ::onnx::ModelProto model = Parse(MakeRandomModel(ArbitraryRecipe(kMostNodes)));
    std::map<std::string, std::vector<std::string>> missing;
    std::vector<std::string> fine;
    for (::onnx::NodeProto* node : NodesOf(model)) {
      // An If that becomes another operator would keep its branches: those are nodes too.
      if (*rc::gen::inRange(0, 4) != 0 || node->op_type() == "If") {
        fine.push_back(node->name());
        continue;
      }
      const Foreign foreign = ArbitraryForeign();
      node->set_op_type(foreign.op);
      node->set_domain(foreign.domain);
      Import(model, foreign.domain);
      missing[foreign.named].push_back(node->name());
    }
    const Attempt attempt(model);
    RC_CLASSIFY(missing.empty(), "nothing missing");
    RC_ASSERT(attempt.accepted == missing.empty());
    if (missing.empty()) return;
    RC_ASSERT(attempt.error.code == Code::kUnsupported);
    RC_ASSERT(attempt.error.reason == "operator_unsupported");
    RC_ASSERT(attempt.WroteNothing());
    for (const auto& [op, nodes] : missing) {
      RC_ASSERT(attempt.Names(op + " ("));
      for (size_t i = 0; i < std::min(nodes.size(), kMostNamedNodes); ++i) {
        RC_ASSERT(attempt.Names(nodes[i]));
      }
      if (nodes.size() > kMostNamedNodes) {
        RC_ASSERT(attempt.Names(std::to_string(nodes.size() - kMostNamedNodes) + " more"));
      }
    }
    for (const std::string& node : fine) RC_ASSERT(!attempt.Names(node));
  });
}

// The version decides for each operator, and one beyond all is refused by itself.
TEST(Property2_Acceptance, FollowsTheOperatorSetsVersion) {
  CheckProperty(2, kCases, [] {
    ::onnx::ModelProto model = Parse(MakeRandomModel(ArbitraryRecipe(kMostNodes)));
    const auto version = *rc::gen::inRange<int64_t>(1, 30);
    model.mutable_opset_import(0)->set_version(version);
    std::set<std::string> missing;
    for (const ::onnx::NodeProto* node : NodesOf(model)) {
      if (!operators::IsSupported("", node->op_type(), version)) missing.insert(node->op_type());
    }
    const bool too_new = version > operators::kNewestOpset;
    const Attempt attempt(model);
    RC_ASSERT(attempt.accepted == (missing.empty() && !too_new));
    if (attempt.accepted) return;
    RC_ASSERT(attempt.WroteNothing());
    RC_ASSERT(attempt.error.reason == (too_new ? "opset_unsupported" : "operator_unsupported"));
    for (const std::string& op : missing) {
      RC_ASSERT(attempt.Names(op + "-" + std::to_string(version) + " ("));
    }
  });
}

// Types that nothing here computes with: inputs and initializers that have one are named. Strings
// may be inputs, but no initializers: a weight's elements are of one width.
TEST(Property2_Acceptance, NamesEveryTensorOfATypeThatIsMissing) {
  CheckProperty(2, kCases, [] {
    ::onnx::ModelProto model = Parse(MakeRandomModel(ArbitraryRecipe(kMostNodes)));
    std::vector<std::string> missing;
    const auto type = [] {
      return *rc::gen::element<int>(::onnx::TensorProto::COMPLEX64, ::onnx::TensorProto::COMPLEX128,
                                    27, 99);
    };
    for (auto& input : *model.mutable_graph()->mutable_input()) {
      if (*rc::gen::inRange(0, 3) != 0) continue;
      input.mutable_type()->mutable_tensor_type()->set_elem_type(type());
      missing.push_back("input '" + input.name() + "'");
    }
    for (auto& weight : *model.mutable_graph()->mutable_initializer()) {
      if (*rc::gen::inRange(0, 4) != 0) continue;
      const bool is_text = *rc::gen::inRange(0, 4) == 0;
      weight.set_data_type(is_text ? static_cast<int>(::onnx::TensorProto::STRING) : type());
      missing.push_back("weight '" + weight.name() + "'");
    }
    const Attempt attempt(model);
    RC_CLASSIFY(missing.empty(), "nothing missing");
    RC_ASSERT(attempt.accepted == missing.empty());
    if (missing.empty()) return;
    RC_ASSERT(attempt.error.reason == "type_unsupported");
    RC_ASSERT(attempt.WroteNothing());
    for (const std::string& tensor : missing) RC_ASSERT(attempt.Names(tensor));
  });
}

// Collects the nodes that compute on a string, which no node of a random model but those that move
// elements may, and the values that are strings then.
void CollectStringReaders(const ::onnx::GraphProto& graph, std::set<std::string>& strings,
                          std::vector<std::string>& readers) {
  static const std::set<std::string> kMoves = {"Reshape", "Concat", "Transpose"};
  for (const ::onnx::NodeProto& node : graph.node()) {
    if (node.op_type() == "Constant") continue;
    if (node.op_type() == "If") {
      for (const auto& attribute : node.attribute()) {
        CollectStringReaders(attribute.g(), strings, readers);
      }
      if (strings.contains(node.attribute(0).g().output(0).name())) strings.insert(node.output(0));
      continue;
    }
    const bool reads = std::ranges::any_of(
        node.input(), [&](const std::string& name) { return strings.contains(name); });
    if (reads && !kMoves.contains(node.op_type())) {
      readers.push_back("the " + node.op_type() + " node '" + node.name() + "'");
    }
    if (strings.contains(node.input(0))) strings.insert(node.output(0));
  }
}

// A type that is fine as such, where operators meet it that don't compute on it.
TEST(Property2_Acceptance, NamesEveryNodeThatComputesOnNoStrings) {
  CheckProperty(2, kCases, [] {
    ::onnx::ModelProto model = Parse(MakeRandomModel(ArbitraryRecipe(kMostNodes)));
    std::set<std::string> strings;
    for (auto& input : *model.mutable_graph()->mutable_input()) {
      auto* type = input.mutable_type()->mutable_tensor_type();
      if (type->elem_type() != ::onnx::TensorProto::FLOAT || *rc::gen::inRange(0, 2) != 0) continue;
      type->set_elem_type(::onnx::TensorProto::STRING);
      strings.insert(input.name());
    }
    std::vector<std::string> readers;
    CollectStringReaders(model.graph(), strings, readers);
    const Attempt attempt(model);
    RC_CLASSIFY(readers.empty(), "no reader");
    RC_ASSERT(attempt.accepted == readers.empty());
    if (readers.empty()) return;
    RC_ASSERT(attempt.error.reason == "type_unsupported");
    RC_ASSERT(attempt.WroteNothing());
    for (const std::string& node : readers) {
      RC_ASSERT(attempt.Names(node + " (computes on no string)"));
    }
  });
}

}  // namespace
}  // namespace ephemeralml::properties
