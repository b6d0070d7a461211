#include "enclave/engine/base/tensor.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ephemeralml::engine {
namespace {

TEST(ElementCount, MultipliesDimensions) {
  EXPECT_EQ(*ElementCount({}), 1u);
  EXPECT_EQ(*ElementCount({2, 3, 4}), 24u);
  EXPECT_EQ(*ElementCount({2, 0, 4}), 0u);
}

TEST(ElementCount, RefusesImpossibleShapes) {
  EXPECT_EQ(ElementCount({2, -1}).error().reason, "shape_invalid");
  EXPECT_EQ(ElementCount({0, -1}).error().reason, "shape_invalid");
  EXPECT_EQ(ElementCount({INT64_MAX, INT64_MAX}).error().reason, "size_overflow");
  EXPECT_EQ(ElementCount({int64_t{1} << 32, int64_t{1} << 31}).error().reason, "size_overflow");
  EXPECT_EQ(ElementCount({0, INT64_MAX, INT64_MAX}).error().reason, "size_overflow");
  EXPECT_EQ(*ElementCount(Shape(64, 1)), 1u);
  EXPECT_EQ(ElementCount(Shape(65, 1)).error().reason, "shape_invalid");
  EXPECT_TRUE(ElementCount({int64_t{1} << 30, 0}).has_value());
  EXPECT_EQ(ElementCount({int64_t{1} << 16, 0, (int64_t{1} << 14) + 1}).error().reason,
            "size_overflow");
}

TEST(ByteCount, RefusesTypesWithoutAWidth) {
  EXPECT_EQ(*ByteCount(ElementType::kDouble, {3}), 24u);
  EXPECT_EQ(ByteCount(ElementType::kString, {3}).error().reason, "type_unsupported");
  EXPECT_EQ(ByteCount(ElementType::kUndefined, {3}).error().reason, "type_unsupported");
}

TEST(Strides, AreRowMajor) {
  EXPECT_EQ(Strides({2, 3, 4}), (std::vector<int64_t>{12, 4, 1}));
  EXPECT_EQ(Strides({}), std::vector<int64_t>{});
}

class TensorTest : public ::testing::Test {
 protected:
  std::unique_ptr<Arena> arena_ = *Arena::Create(1 << 20);
};

// Of memory that was given back, which AddressSanitizer forbids to read.
[[gnu::no_sanitize_address]] int64_t CountZeros(ByteSpan bytes) {
  int64_t count = 0;
  for (size_t i = 0; i < bytes.size(); ++i) count += bytes.data()[i] == 0 ? 1 : 0;
  return count;
}

TEST_F(TensorTest, IsZeroedAndWipedWithItsLastOwner) {
  ByteSpan place;
  {
    Tensor tensor = *Tensor::Create(*arena_, ElementType::kFloat, {4});
    EXPECT_EQ(std::ranges::count(tensor.View().bytes, 0), 16);
    tensor.MutableValues<float>()[3] = 5;
    place = tensor.View().bytes;
    const Tensor other = tensor.Reshaped({2, 2});
    tensor = Tensor();
    EXPECT_EQ(other.View().Values<float>()[3], 5);
    EXPECT_EQ(other.shape(), (Shape{2, 2}));
  }
  EXPECT_EQ(arena_->bytes_in_use(), 0u);
  EXPECT_EQ(CountZeros(place), 16);
}

TEST_F(TensorTest, LeavesItsElementsToTheArenaWhenTheLastOwnerDiscardsIt) {
  Tensor tensor = *Tensor::CreateToOverwrite(*arena_, ElementType::kFloat, {4});
  std::ranges::fill(tensor.MutableValues<float>(), 5.0f);
  Tensor other = tensor;
  tensor.Discard();
  EXPECT_EQ(arena_->bytes_in_use(), 64u) << "it is still shared";
  EXPECT_EQ(other.View().Values<float>()[3], 5);
  const ByteSpan place = other.View().bytes;
  other.Discard();
  EXPECT_EQ(arena_->bytes_in_use(), 0u);
  EXPECT_LT(CountZeros(place), 16);
  arena_->WipeDiscarded();
  EXPECT_EQ(CountZeros(place), 16);
}

TEST_F(TensorTest, IsZeroedByAllThreadsWhereAnotherWasDiscarded) {
  constexpr int64_t kElements = 100'000;
  Threads threads(2);
  Tensor first = *Tensor::CreateToOverwrite(*arena_, ElementType::kFloat, {kElements});
  std::ranges::fill(first.MutableValues<float>(), 5.0f);
  const uint8_t* place = first.View().bytes.data();
  first.Discard();
  const Tensor second = *Tensor::Create(*arena_, ElementType::kFloat, {kElements}, threads);
  EXPECT_EQ(second.View().bytes.data(), place);
  EXPECT_EQ(CountZeros(second.View().bytes), kElements * 4);
}

TEST_F(TensorTest, MayBeEmpty) {
  Tensor tensor = *Tensor::Create(*arena_, ElementType::kInt64, {0, 3});
  EXPECT_TRUE(tensor.MutableValues<int64_t>().empty());
  EXPECT_TRUE(tensor.View().bytes.empty());
  EXPECT_EQ(tensor.Reshaped({3, 0}).shape(), (Shape{3, 0}));
}

TEST_F(TensorTest, EndsTheProcessWhenASharedOneIsWritten) {
  Tensor tensor = *Tensor::Create(*arena_, ElementType::kFloat, {4});
  const Tensor other = tensor;
  EXPECT_DEATH((void)tensor.MutableValues<float>(), "");
  EXPECT_DEATH((void)other.View().Values<double>(), "");
}

TEST_F(TensorTest, FailsWhenASessionsMemoryIsUsedUp) {
  const auto tensor = Tensor::Create(*arena_, ElementType::kFloat, {1 << 20});
  ASSERT_FALSE(tensor.has_value());
  EXPECT_EQ(tensor.error().reason, "session_memory_exceeded");
}

}  // namespace
}  // namespace ephemeralml::engine
