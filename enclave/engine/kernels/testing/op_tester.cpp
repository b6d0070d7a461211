#include "enclave/engine/kernels/testing/op_tester.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "enclave/engine/kernels/table.h"
#include "enclave/weights/testing/test_blob.h"

namespace ephemeralml::engine::testing {
namespace {

constexpr size_t kArenaBytes = size_t{1} << 30;

Value ToValue(const Tensor& tensor) {
  const TensorView view = tensor.View();
  return {view.type, view.shape, Bytes(view.bytes.begin(), view.bytes.end())};
}

// What a kernel discarded holds no weight: these are wiped as soon as they were used.
void ExpectForgotten(ByteSpan weight, Arena& arena) {
  constexpr size_t kSearched = size_t{1} << 20;
  constexpr size_t kSought = 64;
  if (weight.size() < kSought) return;
  const auto all = arena.AllocateToOverwrite(kSearched);
  ASSERT_TRUE(all.has_value());
  const ByteSpan sought = weight.first(kSought);
  if (std::ranges::count(sought, sought[0]) == kSought) return;
  EXPECT_EQ(memmem(all->bytes().data(), kSearched, sought.data(), kSought), nullptr)
      << "a weight stayed in memory";
}

Result<Tensor> ToTensor(const Value& value, Arena& arena) {
  return Tensor::CopyOf(arena, {value.type, value.shape, value.bytes});
}

template <class T>
void ExpectNear(const Value& got, const Value& expected, double absolute, double relative) {
  const std::vector<T> a = got.Values<T>();
  const std::vector<T> b = expected.Values<T>();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    EXPECT_LE(std::abs(a[i] - b[i]), absolute + relative * std::abs(b[i]))
        << "element " << i << ": got " << a[i] << ", expected " << b[i];
  }
}

}  // namespace

OpTester::OpTester(std::string op, int64_t opset, std::string domain)
    : op_(std::move(op)), opset_(opset), domain_(std::move(domain)) {}

OpTester& OpTester::Attr(std::string name, AttributeValue value) {
  attributes_[std::move(name)] = std::move(value);
  return *this;
}

OpTester& OpTester::Tolerance(double absolute, double relative) {
  absolute_ = absolute;
  relative_ = relative;
  return *this;
}

OpTester& OpTester::ThreadCount(size_t count) {
  thread_count_ = count;
  return *this;
}

OpTester& OpTester::RunGraphWith(
    std::function<Result<std::vector<Value>>(const PreparedGraph&)> run) {
  run_graph_ = std::move(run);
  return *this;
}

OpTester& OpTester::AddInput(TestInput input) {
  inputs_.push_back(std::move(input));
  return *this;
}

OpTester& OpTester::AddExpected(std::optional<Value> expected) {
  expected_.push_back(std::move(expected));
  return *this;
}

Result<std::vector<Value>> OpTester::Execute(const std::vector<bool>& wants_output) {
  TRY(const KernelMaker make, kernels::FindKernel(domain_, op_, opset_));
  NodeSpec spec{op_,
                domain_,
                opset_,
                inputs_.size(),
                wants_output.size(),
                Attributes({attributes_.begin(), attributes_.end()})};
  TRY(const std::unique_ptr<Kernel> kernel, make(spec));

  TRY(const std::unique_ptr<Arena> arena, Arena::Create(kArenaBytes));
  weights::testing::TestBlob blob;
  weights::Ledger ledger;
  std::vector<weights::WeightInfo> infos(inputs_.size());
  std::vector<Tensor> activations(inputs_.size());
  std::vector<NodeInput> node_inputs(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const auto& [value, kind, panel_extent, packed_layout, bias, texts] = inputs_[i];
    if (kind == Kind::kAbsent) continue;
    if (kind == Kind::kActivation) {
      TRY(activations[i], ToTensor(value, *arena));
      node_inputs[i].activation = &activations[i];
    } else if (kind == Kind::kTexts) {
      const std::vector<std::string_view> views(texts.begin(), texts.end());
      TRY(activations[i], Tensor::OfStrings(*arena, value.shape, views));
      node_inputs[i].activation = &activations[i];
    } else if (kind == Kind::kConstant || value.bytes.empty()) {
      node_inputs[i].constant = TensorView{value.type, value.shape, value.bytes};
    } else if (kind == Kind::kPacked) {
      infos[i] = blob.AddPacked(value.shape, value.Values<float>(), bias, packed_layout);
      node_inputs[i].weight = &infos[i];
    } else {
      const auto layout =
          kind == Kind::kWeight ? weights::PanelLayout::kRows : weights::PanelLayout::kColumns;
      infos[i] = blob.Add(value.type, value.shape, value.bytes, layout, panel_extent);
      node_inputs[i].weight = &infos[i];
    }
  }
  blob.Seal();
  const weights::SealedModel model = blob.model();
  Threads threads(thread_count_);
  TRY(std::vector<ArenaBlock> windows, MakeWindows(*arena, model, thread_count_));
  Resources resources{&model, arena.get(), &ledger, &threads, windows, nullptr, nullptr};
  resources.run_graph = [&](const PreparedGraph& graph,
                            std::vector<Tensor>) -> Result<std::vector<Tensor>> {
    CHECK(run_graph_ != nullptr);
    TRY(const std::vector<Value> values, run_graph_(graph));
    std::vector<Tensor> tensors(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      TRY(tensors[i], ToTensor(values[i], *arena));
    }
    return tensors;
  };

  std::vector<Value> outputs;
  {
    NodeContext context(resources, node_inputs, wants_output);
    TRY_OK(kernel->Run(context));
    TRY(const std::vector<Tensor> tensors, context.TakeOutputs());
    for (const Tensor& tensor : tensors) outputs.push_back(ToValue(tensor));
  }
  activations.clear();
  windows.clear();
  const weights::Ledger::Totals totals = ledger.Read();
  peak_plaintext_bytes_ = totals.peak_plaintext_bytes;
  chunks_opened_ = totals.chunks_opened;
  EXPECT_EQ(totals.bytes_opened, totals.bytes_wiped) << "a panel stayed open";
  EXPECT_EQ(arena->bytes_in_use(), 0u) << "memory stayed in use";
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (node_inputs[i].weight != nullptr) ExpectForgotten(inputs_[i].value.bytes, *arena);
  }
  return outputs;
}

Result<std::vector<Value>> OpTester::Outputs(size_t output_count) {
  return Execute(std::vector<bool>(output_count, true));
}

void OpTester::Run() {
  std::vector<bool> wanted;
  for (const auto& expected : expected_) wanted.push_back(expected.has_value());
  const auto outputs = Execute(wanted);
  ASSERT_TRUE(outputs.has_value())
      << op_ << ": " << outputs.error().reason << ": " << outputs.error().what;
  for (size_t i = 0; i < expected_.size(); ++i) {
    if (!expected_[i]) continue;
    SCOPED_TRACE(op_ + " output " + std::to_string(i));
    const Value& got = (*outputs)[i];
    ASSERT_EQ(wire::Name(got.type), wire::Name(expected_[i]->type));
    ASSERT_EQ(got.shape, expected_[i]->shape);
    if (got.type == ElementType::kFloat) {
      ExpectNear<float>(got, *expected_[i], absolute_, relative_);
    } else if (got.type == ElementType::kDouble) {
      ExpectNear<double>(got, *expected_[i], absolute_, relative_);
    } else {
      EXPECT_EQ(got.bytes, expected_[i]->bytes);
    }
  }
}

void OpTester::ExpectError(std::string_view reason) {
  const auto outputs = Execute(std::vector<bool>(std::max<size_t>(expected_.size(), 1), true));
  ASSERT_FALSE(outputs.has_value()) << op_ << " was expected to fail with " << reason;
  EXPECT_EQ(outputs.error().reason, reason) << outputs.error().what;
}

}  // namespace ephemeralml::engine::testing
