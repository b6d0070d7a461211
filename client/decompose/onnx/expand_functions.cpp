#include "client/decompose/onnx/expand_functions.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace ephemeralml::onnx {
namespace {

Error Invalid(const std::string& what) { return {Code::kMalformed, "graph_invalid", what}; }

std::string_view Normalized(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

// One call: what the function's names and attributes stand for there.
struct Call {
  std::map<std::string_view, std::string_view> names;
  std::map<std::string_view, const Attribute*> attributes;
  std::string prefix;
};

class Expander {
 public:
  explicit Expander(Model& model) : model_(model), functions_(std::move(model.functions)) {
    model.functions.clear();
    for (const Function& function : functions_) {
      by_name_[{Normalized(function.domain), function.name}] = &function;
    }
  }

  Done ExpandGraph(Graph& graph, int depth) {
    std::vector<Node> expanded;
    for (Node& node : graph.nodes) {
      for (Attribute& attribute : node.attributes) {
        if (attribute.graph != nullptr) TRY_OK(ExpandGraph(*attribute.graph, depth));
      }
      const auto function = by_name_.find({Normalized(node.domain), node.op_type});
      if (function == by_name_.end()) {
        expanded.push_back(std::move(node));
        continue;
      }
      TRY(Graph body, Instantiate(*function->second, node, depth));
      for (Node& inner : body.nodes) expanded.push_back(std::move(inner));
    }
    graph.nodes = std::move(expanded);
    return {};
  }

 private:
  // The function's nodes as one call has them, calls within them expanded too.
  Result<Graph> Instantiate(const Function& function, const Node& node, int depth) {
    if (depth >= kDeepestCall)
      return Invalid("functions call each other too deeply, or themselves");
    TRY_OK(CheckVersions(function));
    TRY(const Call call, Bind(function, node));
    Graph body;
    for (const Node& inner : function.nodes) {
      TRY(body.nodes.emplace_back(), Clone(inner, call));
    }
    // An output that is an input has no node of its own.
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty() || !IsInput(function, function.outputs[i])) continue;
      Node& identity = body.nodes.emplace_back();
      identity.op_type = "Identity";
      identity.inputs = {call.names.at(function.outputs[i])};
      identity.outputs = {node.outputs[i]};
    }
    TRY_OK(ExpandGraph(body, depth + 1));
    return body;
  }

  static bool IsInput(const Function& function, std::string_view name) {
    return std::ranges::find(function.inputs, name) != function.inputs.end();
  }

  Done CheckVersions(const Function& function) const {
    for (const Model::OperatorSet& set : function.operator_sets) {
      for (const Model::OperatorSet& own : model_.operator_sets) {
        if (Normalized(own.domain) != Normalized(set.domain) || own.version == set.version)
          continue;
        return Error{Code::kUnsupported, "functions_unsupported",
                     "function '" + std::string(function.name) +
                         "' imports another version of an operator set than the model does"};
      }
      const auto is_same = [&](const Model::OperatorSet& own) {
        return Normalized(own.domain) == Normalized(set.domain);
      };
      if (std::ranges::none_of(model_.operator_sets, is_same)) model_.operator_sets.push_back(set);
    }
    return {};
  }

  Result<Call> Bind(const Function& function, const Node& node) {
    if (node.inputs.size() > function.inputs.size() ||
        node.outputs.size() > function.outputs.size()) {
      return Invalid("a call lists more inputs or outputs than function '" +
                     std::string(function.name) + "' has");
    }
    Call call;
    call.prefix = std::string(function.name) + "#" + std::to_string(++calls_) + ":";
    for (size_t i = 0; i < function.inputs.size(); ++i) {
      call.names[function.inputs[i]] = i < node.inputs.size() ? node.inputs[i] : "";
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      call.names.try_emplace(function.outputs[i], node.outputs[i]);
    }
    for (const Attribute& attribute : function.defaults) {
      call.attributes[attribute.name] = &attribute;
    }
    for (const Attribute& attribute : node.attributes) {
      call.attributes[attribute.name] = &attribute;
    }
    return call;
  }

  // What a name of the function is called at this call.
  std::string_view NameOf(std::string_view name, const Call& call) {
    if (name.empty()) return name;
    const auto bound = call.names.find(name);
    if (bound != call.names.end()) return bound->second;
    const auto known = inner_names_.find({call.prefix, std::string(name)});
    if (known != inner_names_.end()) return known->second;
    const std::string& made = model_.made_names.emplace_back(call.prefix + std::string(name));
    inner_names_[{call.prefix, std::string(name)}] = made;
    return made;
  }

  Result<Node> Clone(const Node& node, const Call& call) {
    if (++made_nodes_ > kMostExpandedNodes) {
      return Error{Code::kOverLimit, "onnx_too_large", "functions expand to too many nodes"};
    }
    Node clone;
    clone.name = node.name;
    clone.op_type = node.op_type;
    clone.domain = node.domain;
    for (const std::string_view input : node.inputs) clone.inputs.push_back(NameOf(input, call));
    for (const std::string_view output : node.outputs)
      clone.outputs.push_back(NameOf(output, call));
    for (const Attribute& attribute : node.attributes) {
      if (attribute.reference.empty()) {
        TRY(clone.attributes.emplace_back(), Clone(attribute, call));
        continue;
      }
      const auto given = call.attributes.find(attribute.reference);
      if (given == call.attributes.end()) continue;  // the operator's default
      TRY(clone.attributes.emplace_back(), Clone(*given->second, {}));
      clone.attributes.back().name = attribute.name;
    }
    return clone;
  }

  Result<Attribute> Clone(const Attribute& attribute, const Call& call) {
    Attribute clone;
    clone.name = attribute.name;
    clone.type = attribute.type;
    clone.f = attribute.f;
    clone.i = attribute.i;
    clone.s = attribute.s;
    clone.floats = attribute.floats;
    clone.ints = attribute.ints;
    clone.strings = attribute.strings;
    if (attribute.tensor != nullptr) clone.tensor = std::make_unique<Tensor>(*attribute.tensor);
    if (attribute.graph != nullptr) {
      TRY(Graph graph, Clone(*attribute.graph, call));
      clone.graph = std::make_unique<Graph>(std::move(graph));
    }
    return clone;
  }

  // With the names of a call; those of a graph that the caller passes stay.
  Result<Graph> Clone(const Graph& graph, const Call& call) {
    const bool renames = !call.prefix.empty();
    const auto name_of = [&](std::string_view name) { return renames ? NameOf(name, call) : name; };
    Graph clone;
    for (const Node& node : graph.nodes) {
      if (renames) {
        TRY(clone.nodes.emplace_back(), Clone(node, call));
      } else {
        TRY(clone.nodes.emplace_back(), CloneUnchanged(node));
      }
    }
    clone.initializers = graph.initializers;
    for (Tensor& tensor : clone.initializers) tensor.name = name_of(tensor.name);
    for (const std::string_view name : graph.sparse_initializers) {
      clone.sparse_initializers.push_back(name_of(name));
    }
    clone.inputs = graph.inputs;
    clone.outputs = graph.outputs;
    for (ValueInfo& input : clone.inputs) input.name = name_of(input.name);
    for (ValueInfo& output : clone.outputs) output.name = name_of(output.name);
    return clone;
  }

  Result<Node> CloneUnchanged(const Node& node) {
    if (++made_nodes_ > kMostExpandedNodes) {
      return Error{Code::kOverLimit, "onnx_too_large", "functions expand to too many nodes"};
    }
    Node clone{node.name, node.op_type, node.domain, node.inputs, node.outputs, {}};
    for (const Attribute& attribute : node.attributes) {
      TRY(clone.attributes.emplace_back(), Clone(attribute, {}));
    }
    return clone;
  }

  Model& model_;
  std::vector<Function> functions_;
  std::map<std::pair<std::string_view, std::string_view>, const Function*> by_name_;
  std::map<std::pair<std::string, std::string>, std::string_view> inner_names_;
  size_t calls_ = 0;
  size_t made_nodes_ = 0;
};

}  // namespace

Done ExpandFunctions(Model& model) {
  if (model.functions.empty()) return {};
  return Expander(model).ExpandGraph(model.graph, 0);
}

}  // namespace ephemeralml::onnx
