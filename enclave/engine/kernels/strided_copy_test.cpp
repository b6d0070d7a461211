#include "enclave/engine/kernels/strided_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace ephemeralml::engine::kernels {
namespace {

// What CopyBox does, element by element. `at` is the first element's place on both sides.
template <class T>
void PlainCopy(const std::vector<BoxAxis>& box, size_t axis, const T* source, T* target) {
  if (axis == box.size()) {
    *target = *source;
    return;
  }
  for (int64_t i = 0; i < box[axis].extent; ++i) {
    PlainCopy(box, axis + 1, source + i * box[axis].source_stride,
              target + i * box[axis].target_stride);
  }
}

template <class T>
void ExpectPlainCopy(Threads& threads, const std::vector<BoxAxis>& box, size_t source_first) {
  std::vector<T> source(40'000);
  std::iota(source.begin(), source.end(), T{1});
  std::vector<T> expected(40'000);
  std::vector<T> got(40'000);
  PlainCopy(box, 0, source.data() + source_first, expected.data());
  CopyBox(threads, sizeof(T), box, reinterpret_cast<const uint8_t*>(source.data() + source_first),
          reinterpret_cast<uint8_t*>(got.data()));
  EXPECT_EQ(got, expected);
}

// Rows of random boxes: permuted and stretched sources, some axes repeated or backwards.
TEST(CopyBox, AgreesWithPlainLoopsOnRandomBoxes) {
  std::mt19937 random(2);
  const auto below = [&](uint32_t limit) { return static_cast<int64_t>(random() % limit); };
  Threads threads(2);
  for (int round = 0; round < 200; ++round) {
    std::vector<BoxAxis> box(static_cast<size_t>(below(5)));
    std::vector<size_t> order(box.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::shuffle(order, random);
    for (BoxAxis& axis : box) axis.extent = 1 + below(round % 2 == 0 ? 4 : 9);
    int64_t source_stride = 1;
    size_t first = 0;
    for (const size_t axis : order) {
      box[axis].source_stride = source_stride;
      source_stride *= box[axis].extent + (below(4) == 0 ? 1 : 0);
      if (below(6) == 0) box[axis].source_stride = 0;
      if (below(6) == 0) {
        first += static_cast<size_t>(box[axis].source_stride * (box[axis].extent - 1));
        box[axis].source_stride = -box[axis].source_stride;
      }
    }
    int64_t target_stride = 1;
    for (size_t axis = box.size(); axis-- > 0;) {
      box[axis].target_stride = target_stride;
      target_stride *= box[axis].extent + (below(4) == 0 ? 1 : 0);
    }
    ASSERT_LE(std::max(source_stride, target_stride), 40'000);
    ExpectPlainCopy<uint8_t>(threads, box, first);
    ExpectPlainCopy<uint16_t>(threads, box, first);
    ExpectPlainCopy<uint32_t>(threads, box, first);
    ExpectPlainCopy<uint64_t>(threads, box, first);
  }
}

TEST(CopyBox, TransposesLargePlanesOnSeveralThreads) {
  Threads threads(2);
  ExpectPlainCopy<uint64_t>(threads, {{199, 1, 201}, {201, 199, 1}}, 0);
  ExpectPlainCopy<uint64_t>(threads, {{3, 13'000, 13'000}, {100, 1, 130}, {130, 100, 1}}, 0);
  ExpectPlainCopy<uint32_t>(threads, {{39'000, 1, 1}}, 0);
}

TEST(CopyBox, CopiesNothingOfAnEmptyBox) {
  Threads threads(1);
  CopyBox(threads, 4, {{3, 1, 1}, {0, 1, 1}}, nullptr, nullptr);
}

TEST(CopyByOffsets, TakesTheElementsThatTheOffsetsName) {
  Threads threads(2);
  const std::vector<uint16_t> source = {10, 11, 12, 20, 21, 22};
  const std::vector<int64_t> rows = {3, 0, 3};
  const std::vector<int64_t> columns = {2, 2, 0, 1};
  std::vector<uint16_t> target(12);
  CopyByOffsets(threads, 2, {3, 4}, {rows.data(), columns.data()},
                reinterpret_cast<const uint8_t*>(source.data()),
                reinterpret_cast<uint8_t*>(target.data()));
  EXPECT_EQ(target, (std::vector<uint16_t>{22, 22, 20, 21, 12, 12, 10, 11, 22, 22, 20, 21}));
}

// Rows that enlarge by a whole factor, or nearly so, and rows that repeat the last one.
TEST(CopyByOffsets, CopiesRowsThatRepeatTheirElements) {
  Threads threads(2);
  constexpr int64_t kRows = 700;
  std::vector<uint32_t> source(3000);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<uint32_t>(i * i);
  for (const int64_t columns : {1, 2, 3, 8, 40, 64, 129}) {
    for (const int64_t times : {1, 2, 3, 4, 5, 8, 16, 200}) {
      for (const int64_t late : {0, 1}) {
        std::vector<int64_t> offsets(static_cast<size_t>(columns));
        std::vector<int64_t> row_offsets(kRows);
        for (int64_t i = 0; i < columns; ++i)
          offsets[static_cast<size_t>(i)] = 3 + (i + late) / times;
        for (int64_t i = 0; i < kRows; ++i) row_offsets[static_cast<size_t>(i)] = i / times * 4;
        std::vector<uint32_t> target(static_cast<size_t>(kRows * columns));
        CopyByOffsets(threads, 4, {kRows, columns}, {row_offsets.data(), offsets.data()},
                      reinterpret_cast<const uint8_t*>(source.data()),
                      reinterpret_cast<uint8_t*>(target.data()));
        for (size_t i = 0; i < target.size(); ++i) {
          const size_t row = i / static_cast<size_t>(columns);
          const size_t column = i % static_cast<size_t>(columns);
          ASSERT_EQ(target[i], source[static_cast<size_t>(row_offsets[row] + offsets[column])])
              << columns << " columns, " << times << " times, " << late << ", element " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
