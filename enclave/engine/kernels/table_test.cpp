#include "enclave/engine/kernels/table.h"

#include <gtest/gtest.h>

#include "common/operators/operators.h"

namespace ephemeralml::engine::kernels {
namespace {

TEST(FindKernel, FindsEveryOperatorOfTheSharedList) {
  for (const operators::SupportedOperator& op : operators::All()) {
    EXPECT_TRUE(FindKernel(op.domain, op.name, op.first_opset).has_value()) << op.name;
    EXPECT_TRUE(FindKernel(op.domain, op.name, op.last_opset).has_value()) << op.name;
  }
}

TEST(FindKernel, RefusesWhatTheListRefuses) {
  for (const auto& [domain, op, opset] :
       {std::tuple("", "LayerNormalization", int64_t{16}),
        std::tuple("", "Relu", operators::kNewestOpset + 1),
        std::tuple("com.example", "Relu", int64_t{13}), std::tuple("", "relu", int64_t{13})}) {
    const auto found = FindKernel(domain, op, opset);
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().reason, "operator_unsupported");
  }
}

TEST(FindKernel, TakesBothNamesOfTheDefaultDomain) {
  EXPECT_EQ(*FindKernel("ai.onnx", "Relu", 13), *FindKernel("", "Relu", 13));
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
