#include "enclave/engine/adapt.h"

#include <gtest/gtest.h>

#include "enclave/engine/prepare.h"
#include "enclave/weights/testing/test_blob.h"

namespace ephemeralml::engine {
namespace {

// Takes floats alone, and says what it was told of its input.
class Probe final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    if (context.InputType(0) != ElementType::kFloat) {
      return Error{Code::kUnsupported, "type_unsupported", "not a float"};
    }
    is_weight_ = context.IsWeight(0);
    holds_weight_ = context.HoldsWeight(0);
    return context.OutputToOverwrite(0, ElementType::kFloat, {0}).has_value()
               ? Done()
               : Error{Code::kInternal, "output_missing", ""};
  }

  mutable bool is_weight_ = false;
  mutable bool holds_weight_ = false;
};

class Adapting : public ::testing::Test {
 protected:
  void Run(const NodeInput& input) {
    const weights::SealedModel model = blob_.model();
    const Resources resources{&model, arena_.get(), &ledger_, &threads_, {}, nullptr};
    NodeContext context(resources, {input}, {true});
    const Done done = RunAdapted("Sqrt", probe_, context);
    ASSERT_TRUE(done.has_value()) << done.error().what;
  }

  std::unique_ptr<Arena> arena_ = *Arena::Create(size_t{1} << 20);
  Threads threads_{1};
  weights::Ledger ledger_;
  weights::testing::TestBlob blob_;
  Probe probe_;
};

// What a kernel makes of lent floats must be wiped as what it makes of a weight is.
TEST_F(Adapting, SaysOfLentFloatsThatTheyAreAWeights) {
  constexpr int64_t kElements = 32'000;  // of several chunks
  const Bytes halves(kElements * 2, 0x3c);
  const weights::WeightInfo weight =
      blob_.Add(ElementType::kFloat16, {kElements}, halves, weights::PanelLayout::kRows, kElements);
  blob_.Seal();
  NodeInput input;
  input.weight = &weight;
  Run(input);
  EXPECT_FALSE(probe_.is_weight_) << "its panels aren't those of floats";
  EXPECT_TRUE(probe_.holds_weight_);
  EXPECT_EQ(ledger_.Read().peak_plaintext_bytes, halves.size() + kElements * sizeof(float));
}

TEST_F(Adapting, SaysOfLentActivationsThatTheyAreNone) {
  blob_.Seal();
  const Tensor tensor = *Tensor::Create(*arena_, ElementType::kFloat16, {4});
  NodeInput input;
  input.activation = &tensor;
  Run(input);
  EXPECT_FALSE(probe_.is_weight_);
  EXPECT_FALSE(probe_.holds_weight_);
  EXPECT_EQ(ledger_.Read().peak_plaintext_bytes, 0U);
}

// Runs a graph, of which a node refuses a type.
class Refused final : public Kernel {
 public:
  Done Run(KernelContext& context) const override { return context.RunGraph({}); }
};

// Or loops in loops would take twice the time for each loop around them.
TEST_F(Adapting, RunsNoGraphASecondTime) {
  blob_.Seal();
  const weights::SealedModel model = blob_.model();
  Resources resources{&model, arena_.get(), &ledger_, &threads_, {}, nullptr};
  int runs = 0;
  resources.run_graph = [&](const PreparedGraph&,
                            std::vector<Tensor>) -> Result<std::vector<Tensor>> {
    ++runs;
    return Error{Code::kUnsupported, "type_unsupported", "of a node inside"};
  };
  const Tensor tensor = *Tensor::Create(*arena_, ElementType::kFloat16, {4});
  NodeInput input;
  input.activation = &tensor;
  NodeContext context(resources, {input}, {true});
  EXPECT_EQ(RunAdapted("Loop", Refused(), context).error().reason, "type_unsupported");
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace ephemeralml::engine
