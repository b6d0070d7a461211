#include "enclave/engine/panels/pair_tile.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "enclave/engine/panels/pair_instruction.h"
#include "enclave/weights/testing/each_vector_unit.h"

namespace ephemeralml::engine::panels {
namespace {

// Bit by bit as IEEE 754 rounds, in a wider type; what isn't normal becomes zero.
uint16_t Rounded(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  if (std::isinf(value)) return static_cast<uint16_t>(bits >> 16);
  if (!std::isnormal(value)) return static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t below = bits & 0xFFFF0000;
  const uint32_t rest = bits & 0xFFFF;
  const bool up = rest > 0x8000 || (rest == 0x8000 && (below >> 16 & 1) != 0);
  return static_cast<uint16_t>((below >> 16) + (up ? 1 : 0));
}

float Wide(uint32_t half) { return std::bit_cast<float>(half << 16); }

class PairTile : public weights::testing::EachVectorUnit {};

TEST_P(PairTile, PairsTwoRows) {
  std::mt19937 generator(2);
  for (const size_t count : {1, 15, 16, 17, 40}) {
    std::vector<float> rows(2 * count);
    for (float& value : rows) value = std::bit_cast<float>(static_cast<uint32_t>(generator()));
    for (const bool has_second : {true, false}) {
      std::vector<uint32_t> words(count + 1, 7);
      PairRows(rows.data(), has_second ? rows.data() + count : nullptr, static_cast<int64_t>(count),
               reinterpret_cast<float*>(words.data()));
      for (size_t i = 0; i < count; ++i) {
        const uint32_t later = has_second ? Rounded(rows[count + i]) : 0;
        ASSERT_EQ(words[i], later << 16 | Rounded(rows[i])) << i;
      }
      EXPECT_EQ(words[count], 7U);
    }
  }
}

TEST_P(PairTile, RoundsAnyFloatToTheNearest) {
  std::mt19937 generator(1);
  std::vector<float> values = {0.0f,
                               -0.0f,
                               1.0f,
                               std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::quiet_NaN(),
                               std::numeric_limits<float>::max(),
                               std::numeric_limits<float>::denorm_min(),
                               std::bit_cast<float>(0x3F808000u),
                               std::bit_cast<float>(0x3F818000u),
                               std::bit_cast<float>(0xFF800001u),
                               std::bit_cast<float>(0x007FFFFFu)};
  while (values.size() < 100'003)
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(generator())));
  for (const int64_t count : {int64_t{1}, int64_t{2}, int64_t{31}, int64_t{100'003}}) {
    const int64_t pairs = (count + 1) / 2;
    std::vector<float> floats(static_cast<size_t>(2 * pairs) + 1, 777.0f);
    MakeRounded(values.data(), count, floats.data());
    for (int64_t i = 0; i < 2 * pairs; ++i) {
      const float value = i < count ? values[static_cast<size_t>(i)] : 0;
      ASSERT_EQ(std::bit_cast<uint32_t>(floats[static_cast<size_t>(i)]),
                static_cast<uint32_t>(Rounded(value)) << 16);
    }
    EXPECT_EQ(floats.back(), 777.0f) << "ran past the end";
    for (const auto make : {MakeWordsByBits, MakeWordsByInstruction}) {
      if (make == MakeWordsByInstruction && !HasPairInstruction()) continue;
      std::vector<float> words(static_cast<size_t>(pairs) + 1, 777.0f);
      make(values.data(), count, words.data());
      for (int64_t i = 0; i < 2 * pairs; ++i) {
        const auto word = std::bit_cast<uint32_t>(words[static_cast<size_t>(i) / 2]);
        const float value = i < count ? values[static_cast<size_t>(i)] : 0;
        ASSERT_EQ(i % 2 == 0 ? word & 0xFFFF : word >> 16, Rounded(value)) << i << ": " << value;
      }
      EXPECT_EQ(words.back(), 777.0f) << "ran past the end";
    }
  }
}

constexpr int64_t kSteps = 73;
constexpr int64_t kPairs = (kSteps + 1) / 2;

// Rows of normally distributed numbers.
std::vector<float> RandomRows(int64_t rows, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> values;
  std::vector<float> floats(static_cast<size_t>(rows * kSteps));
  for (float& value : floats) value = values(generator);
  return floats;
}

// One step after the other, each rounded to float32, the later of a pair first: what the
// instruction is specified to do.
float Sum(float sum, const float* left, const float* column) {
  const auto product = [&](int64_t step) {
    return step < kSteps ? Wide(Rounded(left[step])) * Wide(Rounded(column[step])) : 0.0f;
  };
  for (int64_t pair = 0; pair < kPairs; ++pair) {
    sum += product(2 * pair + 1);
    sum += product(2 * pair);
  }
  return sum;
}

struct Way {
  decltype(&MultiplyPairs) multiply;
  decltype(&MakePairedLeft) make_left;
  int64_t left_size;
};

// Bit by bit: whatever the processor, the answer is the same.
void ExpectPlainLoopsResult(const Way& way, int64_t rows, int64_t columns) {
  SCOPED_TRACE(::testing::Message() << rows << "x" << columns);
  const int64_t width = (columns + 15) / 16 * 16;
  const std::vector<float> left = RandomRows(rows, 1);
  const std::vector<float> right = RandomRows(columns, 2);  // by column
  std::vector<float> paired(static_cast<size_t>(rows * way.left_size));
  for (int64_t row = 0; row < rows; ++row) {
    way.make_left(left.data() + row * kSteps, kSteps, paired.data() + row * way.left_size);
  }
  std::vector<float> weights(static_cast<size_t>(width * (kPairs + 8)));
  for (int64_t column = 0; column < columns; ++column) {
    std::vector<float> words(kPairs);
    MakeWords(right.data() + column * kSteps, kSteps, words.data());
    for (int64_t pair = 0; pair < kPairs; ++pair) {
      weights[static_cast<size_t>(pair * width + column)] = words[static_cast<size_t>(pair)];
    }
  }
  std::vector<float> bias(64);
  for (size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(i) / 7;
  std::vector<float> y(static_cast<size_t>(rows * columns) + 16, 777.0f);
  // The sum in two parts, as if two pieces held the weights.
  const Segment parts[] = {{0, 20}, {20, kPairs - 20}};
  Piece piece = {weights.data(), width, bias.data(), {&parts[0], 1}, width, columns, true};
  const Strides strides = {way.left_size, columns, 16};
  const Rows all = {paired.data(), y.data(), nullptr, rows};
  Upcoming upcoming;
  way.multiply(piece, strides, all, {}, upcoming);
  piece.weights += 20 * width;
  piece.segments = {&parts[1], 1};
  piece.is_first = false;
  piece.is_last = true;
  way.multiply(piece, strides, all, {}, upcoming);
  for (int64_t i = 0; i < rows * columns; ++i) {
    const float expected =
        Sum(bias[static_cast<size_t>(i % columns)], left.data() + i / columns * kSteps,
            right.data() + i % columns * kSteps);
    ASSERT_EQ(y[static_cast<size_t>(i)], expected) << "element " << i;
  }
  for (int64_t i = rows * columns; i < rows * columns + 16; ++i) {
    ASSERT_EQ(y[static_cast<size_t>(i)], 777.0f) << "ran past the end";
  }
}

void ExpectPlainLoopsResults(const Way& way) {
  for (const int64_t columns : {1, 15, 16, 17, 40, 48, 63, 64}) {
    for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 13}) {
      ExpectPlainLoopsResult(way, rows, columns);
    }
  }
}

TEST_P(PairTile, EqualsPlainLoopsExactlyAsFloats) {
  ExpectPlainLoopsResults({MultiplyAsFloats, MakeRounded, 2 * kPairs});
}

TEST(PairInstruction, EqualsPlainLoopsExactly) {
  if (!HasPairInstruction()) GTEST_SKIP() << "this processor lacks it";
  ExpectPlainLoopsResults({MultiplyByInstruction, MakeWords, kPairs});
}

TEST(PairInstruction, IsChosenOrNotForAllParts) {
  ExpectPlainLoopsResults({MultiplyPairs, MakePairedLeft, PairedLeftSize(kSteps)});
}

INSTANTIATE_TEST_SUITE_P(Each, PairTile, weights::testing::VectorUnits(),
                         weights::testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::engine::panels
