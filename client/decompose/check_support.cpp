#include "client/decompose/check_support.h"

#include <algorithm>
#include <set>

#include "client/decompose/check_types.h"
#include "client/decompose/onnx/tensor_data.h"
#include "common/operators/operators.h"

namespace ephemeralml::decompose {
namespace {

constexpr size_t kMostNamedNodes = 5;

Error Invalid(const std::string& what) { return {Code::kMalformed, "graph_invalid", what}; }

std::string Quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

// Well-formed UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF.
// Source: Unicode Standard, table 3-7.
bool IsUtf8(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  for (size_t i = 0; i < text.size();) {
    const uint8_t lead = at(i);
    const size_t tail = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || tail >= text.size() - i) return false;
    for (size_t k = 1; k <= tail; ++k) {
      if (at(i + k) < 0x80 || at(i + k) > 0xBF) return false;
    }
    if ((lead == 0xE0 && at(i + 1) < 0xA0) || (lead == 0xED && at(i + 1) > 0x9F) ||
        (lead == 0xF0 && at(i + 1) < 0x90) || (lead == 0xF4 && at(i + 1) > 0x8F)) {
      return false;
    }
    i += 1 + tail;
  }
  return true;
}

Done CheckText(std::string_view text) {
  if (IsUtf8(text)) return {};
  return Invalid("a name that the topology key must hold is not UTF-8");
}

class Checker {
 public:
  Checker(const onnx::Model& model, const Program& program, onnx::ExternalFiles& files)
      : model_(model), program_(program), files_(files) {}

  Done Check() {
    TRY_OK(ReadOperatorSets());
    for (const ProgramValue& input : program_.main.inputs) {
      CheckInput(*input.source);
      TRY_OK(CheckNames(*input.source));
    }
    for (const ProgramValue& output : program_.main.outputs) {
      TRY_OK(CheckNames(*output.source));
    }
    Done done;
    ForEachNode(program_.main, [&](const ProgramNode& node) {
      if (done) done = CheckNode(node);
    });
    TRY_OK(done);
    for (std::string& cause : FindTypeCauses(program_)) types_.push_back(std::move(cause));
    return Verdict();
  }

 private:
  Done ReadOperatorSets() {
    versions_[kOwnDomain] = kOwnDomainVersion;
    for (const auto& [domain, version] : model_.operator_sets) {
      const std::string_view normalized = domain == "ai.onnx" ? "" : domain;
      if (domain == kOwnDomain) return Reserved();
      const auto known = versions_.emplace(normalized, version).first;
      if (known->second != version) {
        return Invalid("the model imports two versions of operator set " + Quoted(domain));
      }
      if (normalized.empty() && version > operators::kNewestOpset) {
        opsets_.push_back("ai.onnx " + std::to_string(version) + " (the newest supported is " +
                          std::to_string(operators::kNewestOpset) + ")");
      }
    }
    return {};
  }

  static Error Reserved() {
    return {Code::kUnsupported, "domain_reserved",
            "the model names the operator domain " + Quoted(kOwnDomain) +
                ", whose operators are this system's own"};
  }

  void CheckInput(const onnx::ValueInfo& input) {
    const auto type = wire::ElementTypeFromNumber(input.element_type);
    if (input.is_tensor && type != wire::ElementType::kUndefined) return;
    types_.push_back("input " + Quoted(input.name) + " (" +
                     (input.is_tensor ? NameOf(input.element_type) : "no tensor") + ")");
  }

  static Done CheckNames(const onnx::ValueInfo& value) {
    TRY_OK(CheckText(value.name));
    if (!value.shape) return {};
    for (const onnx::Dimension& dimension : *value.shape) {
      TRY_OK(CheckText(dimension.symbol));
    }
    return {};
  }

  static std::string NameOf(int32_t type) {
    const auto known = wire::ElementTypeFromNumber(type);
    if (known == wire::ElementType::kUndefined) return "element type " + std::to_string(type);
    return std::string(wire::Name(known));
  }

  Done CheckNode(const ProgramNode& node) {
    if (node.domain == kOwnDomain && node.source != nullptr) return Reserved();
    const auto version = versions_.find(node.domain);
    if (version == versions_.end()) {
      return Invalid("the " + Describe(node) + " is of domain " + Quoted(node.domain) +
                     ", of which the model imports no version");
    }
    if (!operators::IsSupported(node.domain, node.op, version->second)) {
      std::string name(node.domain);
      if (!name.empty()) name += "::";
      name += std::string(node.op) + "-" + std::to_string(version->second);
      operators_[name].push_back(Describe(node));
    }
    for (const ValueId input : node.inputs) CheckConstant(input);
    if (node.source == nullptr) return {};
    std::set<std::string_view> names;
    for (const onnx::Attribute& attribute : node.source->attributes) {
      if (!names.insert(attribute.name).second) {
        return Invalid("the " + Describe(node) + " has attribute " + Quoted(attribute.name) +
                       " twice");
      }
      TRY_OK(CheckText(attribute.name));
      TRY_OK(CheckAttribute(node, attribute));
    }
    return {};
  }

  void CheckConstant(ValueId id) {
    const auto constant = program_.constants.find(id);
    if (constant == program_.constants.end() || !checked_.insert(id).second) return;
    const auto& [name, tensor] = constant->second;
    if (tensor == nullptr) {
      types_.push_back("weight " + Quoted(name) + " (sparse)");
    } else if (wire::ElementBytes(onnx::TypeOf(*tensor)) == 0) {
      types_.push_back("weight " + Quoted(name) + " (" + NameOf(tensor->data_type) + ")");
    }
  }

  Done CheckAttribute(const ProgramNode& node, const onnx::Attribute& attribute) {
    using onnx::AttributeType;
    const auto refuse = [&](std::string_view why) {
      attributes_.push_back(Quoted(attribute.name) + " of the " + Describe(node) + " (" +
                            std::string(why) + ")");
    };
    // Constants of numbers were taken out: one that is still a node holds something else.
    if (node.op == "Constant" && node.domain.empty()) refuse("not a tensor of numbers");
    if (!attribute.reference.empty()) refuse("refers to an attribute of a function");
    switch (attribute.type) {
      case AttributeType::kFloat:
      case AttributeType::kInt:
        return {};
      case AttributeType::kString:
        if (attribute.s.size() > kLongestAttributeString) refuse("too long");
        return {};
      case AttributeType::kFloats:
        if (attribute.floats.size() > kMostInlineElements) refuse("too many elements");
        return {};
      case AttributeType::kInts:
        if (attribute.ints.size() > kMostInlineElements) refuse("too many elements");
        return {};
      case AttributeType::kStrings:
        CheckStrings(attribute, refuse);
        return {};
      case AttributeType::kTensor:
        return CheckTensor(attribute, refuse);
      case AttributeType::kGraph:
        if (attribute.graph == nullptr) refuse("without a value");
        return {};
      case AttributeType::kTypeProto:
        // Optional's, which says nothing that its value doesn't.
        if (node.op != "Optional") refuse("a kind that isn't supported");
        return {};
      default:
        refuse("a kind that isn't supported");
        return {};
    }
  }

  template <class Refuse>
  static void CheckStrings(const onnx::Attribute& attribute, Refuse&& refuse) {
    const bool too_long = std::ranges::any_of(attribute.strings, [](std::string_view text) {
      return text.size() > kLongestAttributeString;
    });
    if (too_long || attribute.strings.size() > kMostInlineElements) refuse("too long");
  }

  template <class Refuse>
  Done CheckTensor(const onnx::Attribute& attribute, Refuse&& refuse) {
    if (attribute.tensor == nullptr ||
        onnx::TypeOf(*attribute.tensor) == wire::ElementType::kUndefined) {
      refuse("without numbers");
      return {};
    }
    TRY(const size_t bytes, onnx::ByteCount(*attribute.tensor));
    if (bytes > kMostInlineElements * wire::ElementBytes(onnx::TypeOf(*attribute.tensor))) {
      refuse("too many elements");
      return {};
    }
    TRY_OK(onnx::ReadTensorData(*attribute.tensor, files_));
    return {};
  }

  Done Verdict() const {
    std::string_view first_reason;
    std::string what;
    const auto add = [&](std::string_view reason, std::string_view heading,
                         const std::vector<std::string>& causes) {
      if (causes.empty()) return;
      if (first_reason.empty()) first_reason = reason;
      if (!what.empty()) what += "; ";
      what += heading;
      for (size_t i = 0; i < causes.size(); ++i) what += (i == 0 ? " " : ", ") + causes[i];
    };
    add("opset_unsupported", "operator sets that are too new:", opsets_);
    add("operator_unsupported", "operators that the engine lacks:", OperatorCauses());
    add("attribute_unsupported", "attributes:", attributes_);
    add("type_unsupported", "types:", types_);
    if (first_reason.empty()) return {};
    return Error{Code::kUnsupported, first_reason, "the model uses what isn't supported: " + what};
  }

  std::vector<std::string> OperatorCauses() const {
    std::vector<std::string> causes;
    for (const auto& [name, nodes] : operators_) {
      std::string cause = name + " (";
      for (size_t i = 0; i < nodes.size() && i < kMostNamedNodes; ++i) {
        cause += (i == 0 ? "" : ", ") + nodes[i];
      }
      if (nodes.size() > kMostNamedNodes) {
        cause += " and " + std::to_string(nodes.size() - kMostNamedNodes) + " more";
      }
      causes.push_back(cause + ")");
    }
    return causes;
  }

  const onnx::Model& model_;
  const Program& program_;
  onnx::ExternalFiles& files_;
  std::map<std::string_view, int64_t> versions_;
  std::set<ValueId> checked_;
  std::vector<std::string> opsets_;
  std::map<std::string, std::vector<std::string>> operators_;
  std::vector<std::string> attributes_;
  std::vector<std::string> types_;
};

}  // namespace

Done CheckSupport(const onnx::Model& model, const Program& program, onnx::ExternalFiles& files) {
  return Checker(model, program, files).Check();
}

}  // namespace ephemeralml::decompose
