#include "enclave/engine/kernels/broadcast.h"

#include <gtest/gtest.h>

#include <random>

namespace ephemeralml::engine::kernels {
namespace {

// Where NumPy's rule finds an operand's element for the output's element `index`.
size_t PlainOffset(const Shape& operand, const Shape& output, size_t index) {
  const std::vector<int64_t> strides = Strides(operand);
  size_t offset = 0;
  for (size_t axis = 0; axis < output.size(); ++axis) {
    const auto extent = static_cast<size_t>(output[output.size() - 1 - axis]);
    const size_t position = index % extent;
    index /= extent;
    if (axis >= operand.size()) continue;
    const size_t from_front = operand.size() - 1 - axis;
    if (operand[from_front] != 1) offset += position * static_cast<size_t>(strides[from_front]);
  }
  return offset;
}

// The offsets of one operand for every element of the output, by runs that start anywhere.
std::vector<size_t> RunOffsets(const Broadcast& broadcast, size_t operand, size_t part) {
  std::vector<size_t> offsets;
  for (size_t begin = 0; begin < broadcast.count(); begin += part) {
    const size_t end = std::min(begin + part, broadcast.count());
    broadcast.ForEachRun(begin, end, [&](const Broadcast::Run& run) {
      EXPECT_EQ(run.output, offsets.size());
      for (size_t i = 0; i < run.length; ++i) {
        offsets.push_back(run.operand[operand] + i * broadcast.step(operand));
      }
    });
  }
  return offsets;
}

TEST(Broadcast, AgreesWithNumpysRuleOnRandomShapes) {
  std::mt19937 random(1);
  const auto below = [&](uint32_t limit) { return static_cast<int64_t>(random() % limit); };
  for (int round = 0; round < 300; ++round) {
    Shape output;
    for (int64_t axis = below(5); axis > 0; --axis) output.push_back(1 + below(4));
    std::vector<Shape> operands;
    for (int i = 0; i < 3; ++i) {
      const auto dropped = static_cast<std::ptrdiff_t>(i == 0 ? 0 : below(3));
      Shape shape(output.begin() + std::min<std::ptrdiff_t>(dropped, std::ssize(output)),
                  output.end());
      for (int64_t& extent : shape) extent = below(3) == 0 ? 1 : extent;
      operands.push_back(shape);
    }
    const auto broadcast = Broadcast::Create({&operands[0], &operands[1], &operands[2]});
    ASSERT_TRUE(broadcast.has_value());
    for (size_t i = 0; i < operands.size(); ++i) {
      std::vector<size_t> expected;
      for (size_t at = 0; at < broadcast->count(); ++at) {
        expected.push_back(PlainOffset(operands[i], broadcast->output_shape(), at));
      }
      EXPECT_EQ(RunOffsets(*broadcast, i, broadcast->count() + 1), expected);
      EXPECT_EQ(RunOffsets(*broadcast, i, 3), expected);
    }
  }
}

TEST(Broadcast, TakesAxesTogetherWhereOperandsBehaveAlike) {
  const Shape activation = {2, 3, 4, 5};
  const Shape bias = {3, 1, 1};
  const auto broadcast = Broadcast::Create({&activation, &bias});
  ASSERT_TRUE(broadcast.has_value());
  size_t runs = 0;
  broadcast->ForEachRun(0, broadcast->count(), [&](const Broadcast::Run& run) {
    EXPECT_EQ(run.length, 20u);
    EXPECT_EQ(run.operand[1], runs % 3);
    ++runs;
  });
  EXPECT_EQ(runs, 6u);
  EXPECT_EQ(broadcast->step(0), 1u);
  EXPECT_EQ(broadcast->step(1), 0u);
}

TEST(Broadcast, TakesEqualShapesInOneRun) {
  const Shape shape = {2, 3, 4};
  const auto broadcast = Broadcast::Create({&shape, &shape});
  ASSERT_TRUE(broadcast.has_value());
  size_t runs = 0;
  broadcast->ForEachRun(0, 24, [&](const Broadcast::Run&) { ++runs; });
  EXPECT_EQ(runs, 1u);
}

TEST(Broadcast, KeepsEmptyAxesEmpty) {
  const Shape empty = {2, 0};
  const Shape row = {1};
  const auto broadcast = Broadcast::Create({&empty, &row});
  ASSERT_TRUE(broadcast.has_value());
  EXPECT_EQ(broadcast->output_shape(), empty);
  EXPECT_EQ(broadcast->count(), 0u);
}

TEST(Broadcast, RefusesShapesThatDontFit) {
  const Shape a = {2, 3};
  const Shape b = {2, 2};
  const Shape negative = {-1};
  const Shape huge = {int64_t{1} << 40, 1};
  const Shape wide = {1, int64_t{1} << 40};
  EXPECT_EQ(Broadcast::Create({&a, &b}).error().reason, "shape_invalid");
  EXPECT_EQ(Broadcast::Create({&a, &negative}).error().reason, "shape_invalid");
  EXPECT_EQ(Broadcast::Create({&huge, &wide}).error().reason, "size_overflow");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
