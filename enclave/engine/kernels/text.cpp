// Operators on texts: StringNormalizer, StringConcat, StringSplit, TfIdfVectorizer.

#include <algorithm>
#include <map>
#include <set>

#include "enclave/engine/kernels/broadcast.h"
#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

Result<std::vector<std::string_view>> Texts(KernelContext& context, size_t index) {
  TRY(const TensorView view, RequiredInput(context, index));
  if (view.type != ElementType::kString) return TypeUnsupported(view.type);
  return Strings(view);
}

Done GiveTexts(KernelContext& context, size_t index, Shape shape,
               const std::vector<std::string>& texts) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  TRY(Tensor tensor, Tensor::OfStrings(context.arena(), std::move(shape), views));
  context.SetOutput(index, std::move(tensor));
  return {};
}

enum class CaseChange { kNone, kLower, kUpper };

// Letters of ASCII and of Latin-1, as UTF-8 has them; others stay what they are.
std::string WithCase(std::string_view text, CaseChange change) {
  std::string changed(text);
  if (change == CaseChange::kNone) return changed;
  const bool lower = change == CaseChange::kLower;
  for (size_t i = 0; i < changed.size(); ++i) {
    const auto byte = static_cast<uint8_t>(changed[i]);
    const bool after_c3 = i > 0 && static_cast<uint8_t>(changed[i - 1]) == 0xC3;
    const bool is_upper =
        (byte >= 'A' && byte <= 'Z') || (after_c3 && byte >= 0x80 && byte <= 0x9E && byte != 0x97);
    const bool is_lower =
        (byte >= 'a' && byte <= 'z') || (after_c3 && byte >= 0xA0 && byte <= 0xBE && byte != 0xB7);
    if (lower && is_upper) changed[i] = static_cast<char>(byte + 0x20);
    if (!lower && is_lower) changed[i] = static_cast<char>(byte - 0x20);
  }
  return changed;
}

/// Texts without stop words, in another case. Case changes letters of ASCII and Latin-1. Source:
/// ONNX operator StringNormalizer, version 10.
class StringNormalizer final : public Kernel {
 public:
  StringNormalizer(CaseChange change, bool is_sensitive, std::vector<std::string> stop_words)
      : change_(change), is_sensitive_(is_sensitive) {
    for (const std::string& word : stop_words) stop_words_.insert(Compared(word));
  }

  Done Run(KernelContext& context) const override {
    TRY(const std::vector<std::string_view> texts, Texts(context, 0));
    const Shape& shape = context.InputShape(0);
    if (shape.empty() || shape.size() > 2 || (shape.size() == 2 && shape[0] != 1)) {
      return ShapeInvalid("StringNormalizer: the operand isn't [C] or [1, C]");
    }
    std::vector<std::string> kept;
    for (const std::string_view text : texts) {
      if (!stop_words_.contains(Compared(text))) kept.push_back(WithCase(text, change_));
    }
    if (kept.empty()) kept.emplace_back();
    Shape made = {static_cast<int64_t>(kept.size())};
    if (shape.size() == 2) made.insert(made.begin(), 1);
    return GiveTexts(context, 0, std::move(made), kept);
  }

 private:
  std::string Compared(std::string_view text) const {
    return is_sensitive_ ? std::string(text) : WithCase(text, CaseChange::kLower);
  }

  CaseChange change_;
  bool is_sensitive_;
  std::set<std::string> stop_words_;
};

/// Source: ONNX operator StringConcat, version 20.
class StringConcat final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const std::vector<std::string_view> a, Texts(context, 0));
    TRY(const std::vector<std::string_view> b, Texts(context, 1));
    TRY(const Broadcast broadcast,
        Broadcast::Create({&context.InputShape(0), &context.InputShape(1)}));
    std::vector<std::string> joined;
    TRY_OK(context.Scratch(broadcast.count() * sizeof(std::string)));  // refuses what doesn't fit
    broadcast.ForEachRun(0, broadcast.count(), [&](const Broadcast::Run& run) {
      for (size_t i = 0; i < run.length; ++i) {
        joined.emplace_back(a[run.operand[0] + i * broadcast.step(0)]);
        joined.back() += b[run.operand[1] + i * broadcast.step(1)];
      }
    });
    return GiveTexts(context, 0, broadcast.output_shape(), joined);
  }
};

/// The parts of each text between delimiters, along a new axis, and how many there are. Source:
/// ONNX operator StringSplit, version 20.
class StringSplit final : public Kernel {
 public:
  StringSplit(std::string delimiter, int64_t most)
      : delimiter_(std::move(delimiter)), most_(most) {}

  Done Run(KernelContext& context) const override {
    TRY(const std::vector<std::string_view> texts, Texts(context, 0));
    std::vector<std::vector<std::string_view>> parts;
    size_t widest = 0;
    for (const std::string_view text : texts) {
      parts.push_back(delimiter_.empty() ? Words(text) : Pieces(text));
      widest = std::max(widest, parts.back().size());
    }
    Shape shape = context.InputShape(0);
    TRY(Tensor * counts, context.Output(1, ElementType::kInt64, shape));
    shape.push_back(static_cast<int64_t>(widest));
    TRY(const size_t count, ElementCount(shape));
    TRY_OK(context.Scratch(count * sizeof(std::string)));  // refuses what doesn't fit
    std::vector<std::string> all;
    for (size_t i = 0; i < parts.size(); ++i) {
      counts->MutableValues<int64_t>()[i] = static_cast<int64_t>(parts[i].size());
      for (size_t k = 0; k < widest; ++k) {
        all.emplace_back(k < parts[i].size() ? parts[i][k] : std::string_view());
      }
    }
    return GiveTexts(context, 0, std::move(shape), all);
  }

 private:
  bool IsFull(const std::vector<std::string_view>& parts) const {
    return most_ >= 0 && static_cast<int64_t>(parts.size()) >= most_;
  }

  std::vector<std::string_view> Pieces(std::string_view rest) const {
    std::vector<std::string_view> parts;
    if (rest.empty()) return parts;
    for (size_t at = rest.find(delimiter_); at != std::string_view::npos && !IsFull(parts);
         at = rest.find(delimiter_)) {
      parts.push_back(rest.substr(0, at));
      rest.remove_prefix(at + delimiter_.size());
    }
    parts.push_back(rest);
    return parts;
  }

  std::vector<std::string_view> Words(std::string_view rest) const {
    constexpr std::string_view kSpace = " \t\n\v\f\r";
    std::vector<std::string_view> parts;
    for (;;) {
      const size_t begin = rest.find_first_not_of(kSpace);
      if (begin == std::string_view::npos) return parts;
      rest.remove_prefix(begin);
      const size_t end = IsFull(parts) ? std::string_view::npos : rest.find_first_of(kSpace);
      parts.push_back(rest.substr(0, end));
      if (end == std::string_view::npos) return parts;
      rest.remove_prefix(end);
    }
  }

  std::string delimiter_;
  int64_t most_;
};

enum class GramWeight { kCount, kInverse, kBoth };

struct TfIdfAttributes {
  GramWeight weight = GramWeight::kCount;
  int64_t least_length = 1;
  int64_t most_length = 1;
  int64_t most_skips = 0;
  std::vector<int64_t> counts;  // where the grams of each length begin in the pool
  std::vector<int64_t> indexes;
  std::vector<float> weights;
  std::vector<std::string> texts;  // the pool, of texts or of numbers
  std::vector<int64_t> numbers;
};

/// How often each n-gram of a pool is in a row, with gaps of up to so many, each weighted. Types:
/// int32, int64, string; the result is float32. Source: ONNX operator TfIdfVectorizer, version 9.
class TfIdfVectorizer final : public Kernel {
 public:
  explicit TfIdfVectorizer(TfIdfAttributes attributes) : a_(std::move(attributes)) {
    size_t index = 0;
    const size_t pool = std::max(a_.texts.size(), a_.numbers.size());
    for (size_t length = 1; length <= a_.counts.size(); ++length) {
      const auto begin = static_cast<size_t>(a_.counts[length - 1]);
      const size_t end = length < a_.counts.size() ? static_cast<size_t>(a_.counts[length]) : pool;
      for (size_t at = begin; at + length <= end; at += length, ++index) {
        std::vector<std::string> gram;
        for (size_t i = at; i < at + length; ++i) gram.push_back(PoolItem(i));
        grams_.emplace(std::move(gram), index);
      }
    }
  }

  Done Run(KernelContext& context) const override {
    TRY(const std::vector<std::string> items, ReadItems(context));
    const Shape& shape = context.InputShape(0);
    if (shape.size() > 2) return ShapeInvalid("TfIdfVectorizer: more than two axes");
    const auto columns =
        static_cast<int64_t>(a_.indexes.empty() ? 0 : std::ranges::max(a_.indexes) + 1);
    const int64_t rows = shape.size() == 2 ? shape[0] : 1;
    Shape made = {columns};
    if (shape.size() == 2) made.insert(made.begin(), rows);
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, made));
    const size_t length = rows == 0 ? 0 : items.size() / static_cast<size_t>(rows);
    for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
      const std::span of_row(items.data() + row * length, length);
      Count(of_row, output->MutableValues<float>().subspan(row * static_cast<size_t>(columns),
                                                           static_cast<size_t>(columns)));
    }
    return {};
  }

 private:
  std::string PoolItem(size_t i) const {
    return a_.texts.empty() ? std::to_string(a_.numbers[i]) : a_.texts[i];
  }

  static Result<std::vector<std::string>> ReadItems(KernelContext& context) {
    TRY_OK(RequireInput(context, 0));
    std::vector<std::string> items;
    if (context.InputType(0) == ElementType::kString) {
      TRY(const std::vector<std::string_view> texts, Texts(context, 0));
      items.assign(texts.begin(), texts.end());
    } else {
      TRY(const std::vector<int64_t> numbers, ReadIndexTensor(context, 0));
      for (const int64_t number : numbers) items.push_back(std::to_string(number));
    }
    return items;
  }

  void Count(std::span<const std::string> items, std::span<float> out) const {
    std::map<size_t, float> counts;
    for (int64_t length = a_.least_length; length <= a_.most_length; ++length) {
      // Single items have no gaps.
      const int64_t skips = length == 1 ? 0 : a_.most_skips;
      for (int64_t skip = 0; skip <= skips; ++skip) {
        const auto n = static_cast<size_t>(length);
        const auto stride = static_cast<size_t>(skip) + 1;
        if ((n - 1) * stride >= items.size()) break;
        for (size_t first = 0; first + (n - 1) * stride < items.size(); ++first) {
          std::vector<std::string> gram;
          for (size_t i = 0; i < n; ++i) gram.push_back(items[first + i * stride]);
          const auto found = grams_.find(gram);
          if (found != grams_.end()) ++counts[found->second];
        }
      }
    }
    for (const auto& [gram, count] : counts) {
      const float weight = gram < a_.weights.size() ? a_.weights[gram] : 1;
      const float value = a_.weight == GramWeight::kCount     ? count
                          : a_.weight == GramWeight::kInverse ? weight
                                                              : count * weight;
      if (gram < a_.indexes.size()) out[static_cast<size_t>(a_.indexes[gram])] += value;
    }
  }

  TfIdfAttributes a_;
  std::map<std::vector<std::string>, size_t> grams_;
};

Result<TfIdfAttributes> ReadTfIdf(const NodeSpec& node) {
  TfIdfAttributes a;
  TRY(const std::string mode, node.attributes.String("mode", ""));
  if (mode != std::string_view("TF") && mode != std::string_view("IDF") &&
      mode != std::string_view("TFIDF")) {
    return AttributeInvalid("TfIdfVectorizer: attribute 'mode' has none of its three values");
  }
  a.weight = mode.starts_with("TFI") ? GramWeight::kBoth
             : mode.starts_with("T") ? GramWeight::kCount
                                     : GramWeight::kInverse;
  TRY(a.least_length, node.attributes.RequiredInt("min_gram_length"));
  TRY(a.most_length, node.attributes.RequiredInt("max_gram_length"));
  TRY(a.most_skips, node.attributes.RequiredInt("max_skip_count"));
  TRY(a.counts, node.attributes.Ints("ngram_counts", {}));
  TRY(a.indexes, node.attributes.Ints("ngram_indexes", {}));
  TRY(a.weights, node.attributes.Floats("weights", {}));
  TRY(a.texts, node.attributes.Strings("pool_strings", {}));
  TRY(a.numbers, node.attributes.Ints("pool_int64s", {}));
  if (!a.texts.empty() && !a.numbers.empty()) {
    return AttributeInvalid("TfIdfVectorizer: two pools");
  }
  const auto pool = static_cast<int64_t>(std::max(a.texts.size(), a.numbers.size()));
  const auto is_column = [](int64_t index) { return index >= 0 && index < int64_t{1} << 30; };
  const auto is_place = [&](int64_t at) { return at >= 0 && at <= pool; };
  if (a.least_length < 1 || a.most_length < a.least_length || a.most_length > 64 ||
      a.most_skips < 0 || !std::ranges::all_of(a.indexes, is_column) ||
      !std::ranges::all_of(a.counts, is_place) || !std::ranges::is_sorted(a.counts)) {
    return AttributeInvalid("TfIdfVectorizer: an attribute is out of range");
  }
  return a;
}

}  // namespace

MadeKernel MakeStringNormalizer(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const std::string name, node.attributes.String("case_change_action", "NONE"));
  TRY(const int64_t sensitive, node.attributes.Int("is_case_sensitive", 0));
  TRY(std::vector<std::string> words, node.attributes.Strings("stopwords", {}));
  CaseChange change = CaseChange::kNone;
  if (name == std::string_view("LOWER")) {
    change = CaseChange::kLower;
  } else if (name == std::string_view("UPPER")) {
    change = CaseChange::kUpper;
  } else if (name != std::string_view("NONE")) {
    return AttributeInvalid("StringNormalizer: attribute 'case_change_action' isn't known");
  }
  return std::make_unique<StringNormalizer>(change, sensitive != 0, std::move(words));
}

MadeKernel MakeStringConcat(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  return std::make_unique<StringConcat>();
}

MadeKernel MakeStringSplit(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_outputs = 2, .most_outputs = 2}));
  TRY(std::string delimiter, node.attributes.String("delimiter", ""));
  TRY(const int64_t most, node.attributes.Int("maxsplit", -1));
  return std::make_unique<StringSplit>(std::move(delimiter), most);
}

MadeKernel MakeTfIdfVectorizer(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(TfIdfAttributes attributes, ReadTfIdf(node));
  return std::make_unique<TfIdfVectorizer>(std::move(attributes));
}

}  // namespace ephemeralml::engine::kernels
