#include "enclave/engine/panels/winograd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "enclave/engine/base/testing/packed_run.h"
#include "enclave/engine/base/testing/random_values.h"
#include "enclave/weights/testing/each_vector_unit.h"

namespace ephemeralml::engine::panels {
namespace {

using engine::testing::RandomValues;

std::vector<float> Random(int64_t count, uint64_t seed) {
  return RandomValues(static_cast<size_t>(count), seed, 1);
}

struct Case {
  int64_t images = 1;
  int64_t channels = 32;
  int64_t columns = 32;
  int64_t height = 8;
  int64_t width = 8;
  int64_t above = 1;  // padding
  int64_t below = 1;
  int64_t before = 1;
  int64_t after = 1;
  bool bias = true;
  bool residual = false;
  Epilogue epilogue = {};
  size_t threads = 2;
};

int64_t InputHeight(const Case& c) { return c.height + 2 - c.above - c.below; }
int64_t InputWidth(const Case& c) { return c.width + 2 - c.before - c.after; }
int64_t Groups(int64_t channels) { return (channels + 15) / 16; }

// A blocked picture's element.
size_t At(int64_t groups, int64_t height, int64_t width, int64_t image, int64_t channel, int64_t y,
          int64_t x) {
  return static_cast<size_t>((((image * groups + channel / 16) * height + y) * width + x) * 16 +
                             channel % 16);
}

// Larger tiles are for pictures of many.
bool HasTilesOfFour(const Case& c) { return ((c.height + 3) / 4) * ((c.width + 3) / 4) >= 24; }

// Plain loops in double precision.
double Sum(const Case& c, const std::vector<float>& input, const std::vector<float>& weight,
           int64_t image, int64_t column, int64_t y, int64_t x) {
  double sum = 0;
  for (int64_t channel = 0; channel < c.channels; ++channel) {
    for (int64_t tap = 0; tap < 9; ++tap) {
      const int64_t line = y + tap / 3 - c.above;
      const int64_t pixel = x + tap % 3 - c.before;
      const bool is_inside =
          line >= 0 && line < InputHeight(c) && pixel >= 0 && pixel < InputWidth(c);
      if (!is_inside) continue;
      const size_t at =
          At(Groups(c.channels), InputHeight(c), InputWidth(c), image, channel, line, pixel);
      sum += static_cast<double>(input[at]) *
             weight[static_cast<size_t>((column * c.channels + channel) * 9 + tap)];
    }
  }
  return sum;
}

double Apply(double x, const Epilogue& epilogue) {
  if (epilogue.activation == Activation::kRelu) return std::max(x, 0.0);
  if (epilogue.activation == Activation::kSigmoid) return 1 / (1 + std::exp(-x));
  if (epilogue.activation == Activation::kClip) {
    return std::clamp<double>(x, epilogue.alpha, epilogue.beta);
  }
  return x;
}

void ExpectConvolution(const Case& c) {
  SCOPED_TRACE(::testing::Message()
               << c.images << " of " << c.channels << " to " << c.columns << ", " << c.height << "x"
               << c.width << ", " << c.threads << " threads");
  // Sums are up to some tens; larger tiles round two or three times as much.
  const double tolerance = HasTilesOfFour(c) ? 2e-4 : 3e-5;
  const int64_t result_size = c.images * Groups(c.columns) * c.height * c.width * 16;
  const std::vector<float> input =
      Random(c.images * Groups(c.channels) * InputHeight(c) * InputWidth(c) * 16, 1);
  const std::vector<float> weight = Random(c.columns * c.channels * 9, 2);
  const std::vector<float> bias = c.bias ? Random(c.columns, 3) : std::vector<float>();
  const std::vector<float> residual = Random(result_size, 4);
  weights::testing::TestBlob blob;
  const weights::WeightInfo packed = blob.AddPacked({c.columns, c.channels, 3, 3}, weight, bias,
                                                    weights::PanelLayout::kConvPanels);
  blob.Seal();
  engine::testing::PackedRun run(blob, c.threads);
  std::vector<float> result(static_cast<size_t>(result_size), 777.0f);
  const Done done =
      ConvolveByTiles(run.context(), run.Packed(packed),
                      {input.data(), c.images, Groups(c.channels), InputHeight(c), InputWidth(c),
                       c.above, c.before, result.data(), c.residual ? residual.data() : nullptr,
                       Groups(c.columns), c.height, c.width, c.epilogue});
  ASSERT_TRUE(done.has_value()) << done.error().reason;
  for (int64_t image = 0; image < c.images; ++image) {
    for (int64_t column = 0; column < Groups(c.columns) * 16; ++column) {
      for (int64_t pixel = 0; pixel < c.height * c.width; ++pixel) {
        const int64_t y = pixel / c.width;
        const int64_t x = pixel % c.width;
        const size_t at = At(Groups(c.columns), c.height, c.width, image, column, y, x);
        double expected = 777;  // lanes past the columns stay as they are
        if (column < c.columns) {
          expected = Sum(c, input, weight, image, column, y, x);
          if (c.bias) expected += bias[static_cast<size_t>(column)];
          if (c.residual) expected += residual[at];
          expected = Apply(expected, c.epilogue);
        }
        ASSERT_NEAR(result[at], expected, tolerance + 1e-5 * std::abs(expected))
            << "image " << image << ", column " << column << ", pixel " << y << ", " << x;
      }
    }
  }
  run.ExpectAllWiped();
  // With the transformed weights, which take nearly twice as much as those that they are made of.
  EXPECT_GT(run.totals().peak_plaintext_bytes, static_cast<uint64_t>(32 * 16 * 32) * sizeof(float));
  EXPECT_LE(run.totals().peak_plaintext_bytes, c.threads << 20);
  // A corner of the filter is one of its transform's positions.
  std::vector<float> corners;
  for (int64_t column = 0; column < 8; ++column) {
    corners.push_back(weight[static_cast<size_t>(column * c.channels * 9)]);
  }
  const ArenaBlock left = *run.arena().AllocateToOverwrite(size_t{8} << 20);
  const ByteSpan sought(reinterpret_cast<const uint8_t*>(corners.data()),
                        corners.size() * sizeof(float));
  const ByteSpan all = left.bytes();
  EXPECT_EQ(std::search(all.begin(), all.end(), sought.begin(), sought.end()), all.end());
}

class Winograd : public weights::testing::EachVectorUnit {};

TEST_P(Winograd, EqualsPlainLoopsForAnySizeOfPicture) {
  for (const int64_t height : {1, 2, 7, 12}) {
    for (const int64_t width : {1, 4, 9}) ExpectConvolution({.height = height, .width = width});
  }
  ExpectConvolution({.images = 3, .height = 11, .width = 13});
  for (const int64_t height : {17, 19, 20}) {
    for (const int64_t width : {21, 22, 24}) ExpectConvolution({.height = height, .width = width});
  }
  ExpectConvolution({.images = 2, .height = 1, .width = 100});
  ExpectConvolution({.images = 2, .height = 95, .width = 2});
}

TEST_P(Winograd, EqualsPlainLoopsForAnyPadding) {
  for (const int64_t above : {0, 1, 3}) {
    for (const int64_t before : {0, 2}) {
      for (const int64_t after : {0, 1}) {
        ExpectConvolution({.height = 9,
                           .width = 10,
                           .above = above,
                           .below = 2 - before,
                           .before = before,
                           .after = after});
        ExpectConvolution({.height = 18,
                           .width = 25,
                           .above = above,
                           .below = 2 - before,
                           .before = before,
                           .after = after});
      }
    }
  }
}

TEST_P(Winograd, EqualsPlainLoopsForAnyNumberOfChannels) {
  for (const int64_t channels : {32, 40, 57, 128, 130, 200}) {
    ExpectConvolution({.channels = channels, .columns = 48});
  }
  for (const int64_t channels : {33, 64, 70, 130}) {
    ExpectConvolution({.channels = channels, .columns = 70, .height = 20, .width = 20});
  }
  for (const int64_t columns : {32, 33, 64, 70, 130}) ExpectConvolution({.columns = columns});
}

TEST_P(Winograd, SharesOutAmongAnyNumberOfThreads) {
  for (const size_t threads : {1, 2, 3, 7}) {
    // Both with sums that wait for other channels and without.
    for (const int64_t channels : {64, 144}) {
      ExpectConvolution(
          {.channels = channels, .columns = 80, .height = 14, .width = 14, .threads = threads});
      ExpectConvolution(
          {.channels = channels, .columns = 40, .height = 27, .width = 28, .threads = threads});
    }
  }
}

TEST_P(Winograd, AppliesActivationsAfterBiasAndResidual) {
  for (const Epilogue& epilogue :
       {Epilogue{Activation::kNone}, Epilogue{Activation::kRelu}, Epilogue{Activation::kSigmoid},
        Epilogue{Activation::kClip, -0.5f, 0.75f}}) {
    for (const bool residual : {false, true}) {
      for (const bool bias : {false, true}) {
        ExpectConvolution({.columns = 40,
                           .height = 7,
                           .width = 7,
                           .bias = bias,
                           .residual = residual,
                           .epilogue = epilogue});
        ExpectConvolution({.columns = 40,
                           .height = 18,
                           .width = 23,
                           .bias = bias,
                           .residual = residual,
                           .epilogue = epilogue});
      }
    }
  }
}

TEST(SuitsWinograd, LeavesOutWhatIsTooSmall) {
  EXPECT_TRUE(SuitsWinograd(32, 32, 1, 9, 9));
  EXPECT_TRUE(SuitsWinograd(512, 512, 1, 2, 47));
  EXPECT_FALSE(SuitsWinograd(31, 32, 1, 9, 9));
  EXPECT_FALSE(SuitsWinograd(32, 31, 1, 9, 9));
  EXPECT_FALSE(SuitsWinograd(512, 512, 1, 7, 7));
}

// Of more channels than are open at once, sums wait for the others.
TEST(SuitsWinograd, LeavesOutWhatWouldWaitInMuchMemory) {
  EXPECT_TRUE(SuitsWinograd(128, 64, 1000, 16, 16));  // in tiles of two
  EXPECT_TRUE(SuitsWinograd(129, 64, 32, 16, 16));
  EXPECT_FALSE(SuitsWinograd(129, 64, 33, 16, 16));
  EXPECT_TRUE(SuitsWinograd(64, 64, 100, 1000, 1000));  // of four
  EXPECT_TRUE(SuitsWinograd(65, 64, 1, 120, 120));
  EXPECT_FALSE(SuitsWinograd(65, 64, 2, 120, 120));
  EXPECT_FALSE(SuitsWinograd(65, 64, 1, 124, 120));
}

INSTANTIATE_TEST_SUITE_P(Each, Winograd, weights::testing::VectorUnits(),
                         weights::testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::engine::panels
