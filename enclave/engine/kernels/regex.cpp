// RegexFullMatch: the one file that knows RE2, which takes time in proportion to the text, whatever
// pattern a peer sends.

#include <re2/re2.h>

#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

// Program and states together; where they would need more, RE2 goes on without remembering states.
constexpr int64_t kPatternMemory = 8 << 20;

RE2::Options PatternOptions() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  return options;
}

/// Whether a pattern matches the whole of each text. Types: string, UTF-8. Errors: kUnsupported
/// `type_unsupported`; kMalformed `input_invalid`. Source: ONNX operator RegexFullMatch, version
/// 20, syntax of RE2.
class RegexFullMatch final : public Kernel {
 public:
  explicit RegexFullMatch(std::string pattern) : pattern_(std::move(pattern)) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    if (input.type != ElementType::kString) return TypeUnsupported(input.type);
    TRY(Tensor * output, context.Output(0, ElementType::kBool, input.shape));
    // Made for this run alone: what it remembers tells of the texts that it has seen.
    const RE2 pattern(pattern_, PatternOptions());
    TRY(const std::vector<std::string_view> texts, Strings(input));
    const MutableByteSpan matches = output->MutableBytes();
    for (size_t i = 0; i < texts.size(); ++i) {
      const bool is_match = pattern.Match({texts[i].data(), texts[i].size()}, 0, texts[i].size(),
                                          RE2::ANCHOR_BOTH, nullptr, 0);
      matches[i] = is_match ? 1 : 0;
    }
    return {};
  }

 private:
  std::string pattern_;
};

}  // namespace

MadeKernel MakeRegexFullMatch(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(std::string pattern, node.attributes.String("pattern", ""));
  if (!RE2(pattern, PatternOptions()).ok()) {
    return AttributeInvalid("RegexFullMatch: attribute 'pattern' is no pattern of RE2's");
  }
  return std::make_unique<RegexFullMatch>(std::move(pattern));
}

}  // namespace ephemeralml::engine::kernels
