#include "enclave/engine/panels/panel_product.h"

#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/base/testing/packed_run.h"
#include "enclave/engine/base/testing/random_values.h"
#include "enclave/weights/testing/each_vector_unit.h"

namespace ephemeralml::engine::panels {
namespace {

using engine::testing::RandomValues;

double Apply(double x, const Epilogue& epilogue) {
  const auto bounded = [](double v, double low, double high) {
    return std::min(std::max(v, low), high);
  };
  switch (epilogue.activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kGelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kHardSwish:
    case Activation::kSpelledHardSwish:
      return x * bounded(x / 6 + 0.5, 0, 1);
    case Activation::kLeakyRelu:
      return x < 0 ? epilogue.alpha * x : x;
    case Activation::kHardSigmoid:
      return bounded(epilogue.alpha * x + epilogue.beta, 0, 1);
    case Activation::kClip:
      return bounded(x, epilogue.alpha, epilogue.beta);
  }
  return x;
}

struct Case {
  int64_t rows = 1;
  int64_t inner = 1;
  int64_t columns = 1;
  bool bias = true;
  bool residual = true;
  Epilogue epilogue = {};
  size_t threads = 2;
};

// A matrix product against plain loops in double precision.
void ExpectMatrixProduct(const Case& c) {
  SCOPED_TRACE(::testing::Message()
               << c.rows << "x" << c.inner << "x" << c.columns << ", " << c.threads << " threads");
  const auto size = [](int64_t a, int64_t b) { return static_cast<size_t>(a * b); };
  const std::vector<float> a = RandomValues(size(c.rows, c.inner), 1, 1);
  const std::vector<float> b = RandomValues(size(c.inner, c.columns), 2, 1);
  const std::vector<float> bias =
      c.bias ? RandomValues(size(c.columns, 1), 3, 1) : std::vector<float>();
  const std::vector<float> residual = RandomValues(size(c.rows, c.columns), 4, 1);
  weights::testing::TestBlob blob;
  const weights::WeightInfo weight =
      blob.AddPacked({c.inner, c.columns}, b, bias, weights::PanelLayout::kMatrixPanels);
  blob.Seal();
  engine::testing::PackedRun run(blob, c.threads);
  std::vector<float> y(residual.size() + 16, 777.0f);
  const Segment segment{0, c.inner};
  const weights::PackedWeight packed = run.Packed(weight);
  Product product;
  product.weight = &packed;
  product.left = a.data();
  product.result = y.data();
  product.residual = c.residual ? residual.data() : nullptr;
  product.lines = {.rows = c.rows};
  product.strides = {.left = c.inner, .result = c.columns, .result_lanes = 16};
  product.result_panel = 64;
  product.segments = {&segment, 1};
  product.epilogue = c.epilogue;
  const Done done = MultiplyPacked(run.context(), {&product, 1});
  ASSERT_TRUE(done.has_value()) << done.error().reason;
  for (int64_t row = 0; row < c.rows; ++row) {
    for (int64_t column = 0; column < c.columns; ++column) {
      double sum = c.bias ? bias[static_cast<size_t>(column)] : 0;
      for (int64_t k = 0; k < c.inner; ++k) {
        sum += static_cast<double>(a[size(row, c.inner) + static_cast<size_t>(k)]) *
               b[size(k, c.columns) + static_cast<size_t>(column)];
      }
      const size_t at = size(row, c.columns) + static_cast<size_t>(column);
      if (c.residual) sum += residual[at];
      const double expected = Apply(sum, c.epilogue);
      ASSERT_NEAR(y[at], expected, 2e-5 + 5e-6 * std::abs(expected))
          << "row " << row << ", column " << column;
    }
  }
  for (size_t i = residual.size(); i < y.size(); ++i) ASSERT_EQ(y[i], 777.0f) << "ran past the end";
  run.ExpectAllWiped();
}

class PanelProduct : public weights::testing::EachVectorUnit {};

TEST_P(PanelProduct, EqualsPlainLoopsForOddShapes) {
  for (const int64_t rows : {1, 2, 5, 13, 24, 31, 100}) {
    for (const int64_t inner : {1, 3, 64, 65}) {
      for (const int64_t columns : {1, 15, 16, 17, 33, 48, 63, 64, 65, 130, 200}) {
        ExpectMatrixProduct({.rows = rows, .inner = inner, .columns = columns});
      }
    }
  }
}

TEST_P(PanelProduct, EqualsPlainLoopsForEveryHeightOfTiles) {
  for (int64_t rows = 1; rows <= 32; ++rows) {
    for (const int64_t inner : {16, 20}) {
      for (const int64_t columns : {16, 32, 48, 64}) {
        ExpectMatrixProduct({.rows = rows, .inner = inner, .columns = columns, .threads = 1});
      }
    }
  }
}

TEST_P(PanelProduct, SumsOverSeveralPieces) {
  for (const int64_t inner : {384, 385, 768, 1000}) {
    for (const int64_t columns : {20, 64, 150}) {
      ExpectMatrixProduct({.rows = 29, .inner = inner, .columns = columns});
    }
  }
}

TEST_P(PanelProduct, SharesOutAmongAnyNumberOfThreads) {
  for (const size_t threads : {1, 2, 3, 4, 7, 16}) {
    ExpectMatrixProduct({.rows = 128, .inner = 300, .columns = 200, .threads = threads});
    ExpectMatrixProduct({.rows = 2, .inner = 500, .columns = 900, .threads = threads});
    ExpectMatrixProduct({.rows = 300, .inner = 500, .columns = 90, .threads = threads});
  }
}

// So many that a panel's are multiplied some at a time.
TEST_P(PanelProduct, MultipliesManyRows) {
  for (const size_t threads : {2, 3}) {
    ExpectMatrixProduct({.rows = 3001, .inner = 70, .columns = 90, .threads = threads});
  }
}

TEST_P(PanelProduct, AppliesEveryActivationAfterBiasAndResidual) {
  for (const Epilogue& epilogue :
       {Epilogue{Activation::kNone}, Epilogue{Activation::kRelu}, Epilogue{Activation::kGelu},
        Epilogue{Activation::kSigmoid}, Epilogue{Activation::kTanh},
        Epilogue{Activation::kHardSwish}, Epilogue{Activation::kSpelledHardSwish},
        Epilogue{Activation::kLeakyRelu, 0.1f}, Epilogue{Activation::kHardSigmoid, 0.3f, 0.4f},
        Epilogue{Activation::kClip, -0.5f, 0.75f}}) {
    for (const bool with : {false, true}) {
      ExpectMatrixProduct({.rows = 19,
                           .inner = 40,
                           .columns = 90,
                           .bias = with,
                           .residual = with,
                           .epilogue = epilogue});
      ExpectMatrixProduct({.rows = 19, .inner = 800, .columns = 90, .epilogue = epilogue});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, PanelProduct, weights::testing::VectorUnits(),
                         weights::testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::engine::panels
