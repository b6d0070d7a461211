#include "enclave/engine/adapt.h"

#include <gtest/gtest.h>

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
  const Bytes halves(64, 0x3c);
  const weights::WeightInfo weight =
      blob_.Add(ElementType::kFloat16, {32}, halves, weights::PanelLayout::kRows, 32);
  blob_.Seal();
  NodeInput input;
  input.weight = &weight;
  Run(input);
  EXPECT_FALSE(probe_.is_weight_) << "its panels aren't those of floats";
  EXPECT_TRUE(probe_.holds_weight_);
}

TEST_F(Adapting, SaysOfLentActivationsThatTheyAreNone) {
  blob_.Seal();
  const Tensor tensor = *Tensor::Create(*arena_, ElementType::kFloat16, {4});
  NodeInput input;
  input.activation = &tensor;
  Run(input);
  EXPECT_FALSE(probe_.is_weight_);
  EXPECT_FALSE(probe_.holds_weight_);
}

}  // namespace
}  // namespace ephemeralml::engine
