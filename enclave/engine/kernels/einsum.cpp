#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr size_t kMostTerms = 16;

// Axes are letters; what an ellipsis stands for are numbers from 256 on, counted from the last.
using Term = std::vector<int>;
constexpr int kEllipsis = -1;
constexpr int kFirstUnnamed = 256;

Error EquationInvalid() {
  return AttributeInvalid("Einsum: attribute 'equation' isn't well-formed");
}

Result<Term> ReadTerm(std::string_view text) {
  Term term;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (text.substr(i, 3) != "..." || std::ranges::count(term, kEllipsis) != 0) {
        return EquationInvalid();
      }
      term.push_back(kEllipsis);
      i += 2;
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      term.push_back(c);
    } else {
      return EquationInvalid();
    }
  }
  if (term.size() > kMostAxes) return EquationInvalid();
  return term;
}

struct Equation {
  std::vector<Term> inputs;
  Term output;
  bool has_output = false;
};

Result<Equation> ReadEquation(std::string text) {
  std::erase(text, ' ');
  Equation equation;
  std::string_view rest = text;
  const size_t arrow = rest.find("->");
  if (arrow != std::string_view::npos) {
    equation.has_output = true;
    TRY(equation.output, ReadTerm(rest.substr(arrow + 2)));
    rest = rest.substr(0, arrow);
  }
  for (;;) {
    const size_t comma = rest.find(',');
    TRY(equation.inputs.emplace_back(), ReadTerm(rest.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    rest = rest.substr(comma + 1);
  }
  if (equation.inputs.size() > kMostTerms) return EquationInvalid();
  return equation;
}

// Replaces an ellipsis by axes of its own, as many as the rank leaves.
Done Unfold(Term& term, size_t rank) {
  const auto ellipsis = std::ranges::find(term, kEllipsis);
  if (ellipsis == term.end()) {
    return term.size() == rank ? Done()
                               : ShapeInvalid("Einsum: an operand's rank isn't its term's");
  }
  const size_t named = term.size() - 1;
  if (rank < named) return ShapeInvalid("Einsum: an operand's rank isn't its term's");
  std::vector<int> unnamed;
  for (size_t i = rank - named; i-- > 0;) unnamed.push_back(kFirstUnnamed + static_cast<int>(i));
  const auto at = term.erase(ellipsis);
  term.insert(at, unnamed.begin(), unnamed.end());
  return {};
}

// All axes of a sum: first the output's, then those that are summed over.
struct Plan {
  std::vector<int> axes;
  std::vector<int64_t> extents;
  size_t kept = 0;
  std::vector<std::vector<size_t>> strides;  // by input, then axis; 0 where it repeats
};

/// Sums of products over named axes. Types: all numeric; floats add up in their own precision,
/// integers wrap. Errors: kMalformed `attribute_invalid`, `shape_invalid`. Source: ONNX operator
/// Einsum, version 12.
class Einsum final : public Kernel {
 public:
  explicit Einsum(Equation equation) : equation_(std::move(equation)) {}

  Done Run(KernelContext& context) const override {
    std::vector<TensorView> inputs;
    for (size_t i = 0; i < equation_.inputs.size(); ++i) {
      TRY(inputs.emplace_back(), RequiredInput(context, i));
      if (inputs[i].type != inputs[0].type) return InputInvalid("the operands' types differ");
    }
    TRY(const Plan plan, MakePlan(inputs));
    const auto kept = static_cast<std::ptrdiff_t>(plan.kept);
    const Shape shape(plan.extents.begin(), plan.extents.begin() + kept);
    TRY_OK(ElementCount(plan.extents));
    return WithType(NumericTypes{}, inputs[0].type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, inputs[0].type, shape));
      TRY(const size_t summed, CountBetween(plan.extents, plan.kept, plan.extents.size()));
      T* target = Raw<T>(*output);
      const size_t results = output->byte_count() / sizeof(T);
      context.threads().ParallelFor(results, 1 + 4096 / (summed + 1),
                                    [&](size_t begin, size_t end) {
                                      for (size_t i = begin; i < end; ++i)
                                        target[i] = SumOf<T>(plan, inputs, i, summed);
                                    });
      return {};
    });
  }

 private:
  Result<Plan> MakePlan(const std::vector<TensorView>& inputs) const {
    std::vector<Term> terms = equation_.inputs;
    std::map<int, int64_t> extents;
    std::map<int, size_t> uses;
    for (size_t i = 0; i < inputs.size(); ++i) {
      TRY_OK(Unfold(terms[i], inputs[i].shape.size()));
      for (size_t k = 0; k < terms[i].size(); ++k) {
        const int64_t given = inputs[i].shape[k];
        int64_t& extent = extents.emplace(terms[i][k], given).first->second;
        ++uses[terms[i][k]];
        if (extent == 1) extent = given;
        if (given != extent && given != 1) return ShapeInvalid("Einsum: axes of one name differ");
      }
    }
    Plan plan;
    TRY(plan.axes, OutputAxes(extents, uses));
    plan.kept = plan.axes.size();
    for (const auto& [axis, extent] : extents) {
      if (std::ranges::count(plan.axes, axis) == 0) plan.axes.push_back(axis);
    }
    for (const int axis : plan.axes) plan.extents.push_back(extents.at(axis));
    for (size_t i = 0; i < inputs.size(); ++i) {
      plan.strides.push_back(StridesOf(plan, terms[i], inputs[i].shape));
    }
    return plan;
  }

  Result<std::vector<int>> OutputAxes(const std::map<int, int64_t>& extents,
                                      const std::map<int, size_t>& uses) const {
    std::vector<int> unnamed;
    for (const auto& [axis, extent] : extents) {
      if (axis >= kFirstUnnamed) unnamed.insert(unnamed.begin(), axis);
    }
    std::vector<int> axes;
    if (!equation_.has_output) {
      axes = unnamed;
      for (const auto& [axis, count] : uses) {
        if (axis < kFirstUnnamed && count == 1) axes.push_back(axis);
      }
      return axes;
    }
    for (const int axis : equation_.output) {
      if (axis == kEllipsis) {
        axes.insert(axes.end(), unnamed.begin(), unnamed.end());
      } else if (!extents.contains(axis) || std::ranges::count(axes, axis) != 0) {
        return EquationInvalid();
      } else {
        axes.push_back(axis);
      }
    }
    return axes;
  }

  static std::vector<size_t> StridesOf(const Plan& plan, const Term& term, const Shape& shape) {
    const std::vector<int64_t> own = Strides(shape);
    std::vector<size_t> strides(plan.axes.size(), 0);
    for (size_t k = 0; k < term.size(); ++k) {
      const auto at =
          static_cast<size_t>(std::ranges::find(plan.axes, term[k]) - plan.axes.begin());
      if (shape[k] != 1) strides[at] += static_cast<size_t>(own[k]);
    }
    return strides;
  }

  // Products add up along the last summed axis with strides, over the others by index.
  template <class T>
  static T SumOf(const Plan& plan, const std::vector<TensorView>& inputs, size_t result,
                 size_t summed) {
    using Total = std::conditional_t<std::is_floating_point_v<T>, T, uint64_t>;
    std::array<size_t, kMostTerms> base = {};
    const auto move = [&](size_t place, size_t begin, size_t end, auto& offsets) {
      for (size_t axis = end; axis-- > begin;) {
        const auto extent = static_cast<size_t>(plan.extents[axis]);
        for (size_t i = 0; i < inputs.size(); ++i) {
          offsets[i] += place % extent * plan.strides[i][axis];
        }
        place /= extent;
      }
    };
    move(result, 0, plan.kept, base);
    Total total = 0;
    for (size_t s = 0; s < summed; ++s) {
      std::array<size_t, kMostTerms> offsets = base;
      move(s, plan.kept, plan.axes.size(), offsets);
      Total product = 1;
      for (size_t i = 0; i < inputs.size(); ++i) {
        product = static_cast<Total>(product * static_cast<Total>(Raw<T>(inputs[i])[offsets[i]]));
      }
      total = static_cast<Total>(total + product);
    }
    return static_cast<T>(total);
  }

  Equation equation_;
};

}  // namespace

MadeKernel MakeEinsum(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.most_inputs = kMostTerms}));
  TRY(const std::string text, node.attributes.String("equation", ""));
  TRY(Equation equation, ReadEquation(text));
  if (equation.inputs.size() != node.input_count) {
    return AttributeInvalid("Einsum: attribute 'equation' hasn't one term for each operand");
  }
  return std::make_unique<Einsum>(std::move(equation));
}

}  // namespace ephemeralml::engine::kernels
