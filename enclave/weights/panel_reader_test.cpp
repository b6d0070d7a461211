#include "enclave/weights/panel_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "enclave/weights/resident_weights.h"
#include "enclave/weights/testing/test_blob.h"

namespace ephemeralml::weights {
namespace {

using testing::TestBlob;

// Half precision holds all numbers up to 256 exactly.
float Exact(float value, wire::ElementType storage) {
  return IsHalf(storage) ? std::fmod(value, 251.0f) : value;
}

// A packed matrix [300, 150] with biases between two other weights, so that neither of its ends is
// a chunk's.
struct Fixture {
  explicit Fixture(wire::ElementType storage = wire::ElementType::kFloat) {
    std::vector<float> values(300 * 150);
    for (size_t i = 0; i < values.size(); ++i) values[i] = Exact(static_cast<float>(i), storage);
    std::vector<float> bias(150);
    for (size_t i = 0; i < bias.size(); ++i) bias[i] = -1.0f - static_cast<float>(i);
    const Bytes other(20'000, 0xAB);
    blob.Add(wire::ElementType::kUint8, {20'000}, other, PanelLayout::kRows, 0);
    weight = blob.AddPacked({300, 150}, values, bias, PanelLayout::kMatrixPanels, storage);
    blob.Add(wire::ElementType::kUint8, {20'000}, other, PanelLayout::kRows, 0);
    blob.Seal();
    model = blob.model();
  }

  PackedWeight Weight() { return {model, weight, ledger}; }

  PanelReader Read(uint64_t first, uint64_t last, uint64_t largest_piece) {
    window.assign(Weight().WindowBytes(largest_piece), 0);
    return Weight().Read(first, last, window);
  }

  void ExpectAllWiped() const {
    EXPECT_TRUE(std::ranges::all_of(window, [](uint8_t b) { return b == 0; }));
    EXPECT_EQ(ledger.Read().bytes_opened, ledger.Read().bytes_wiped);
  }

  Bytes window;
  TestBlob blob;
  Ledger ledger;
  WeightInfo weight;
  SealedModel model;
};

// What element (row, column) of the fixture's matrix, biases as row 0, must be.
float Expected(size_t row, size_t column) {
  return row == 0 ? -1.0f - static_cast<float>(column)
                  : static_cast<float>((row - 1) * 150 + column);
}

void ExpectPanels(PanelReader& reader, size_t first, size_t last, size_t rows_at_once,
                  wire::ElementType storage = wire::ElementType::kFloat) {
  for (size_t panel = first; panel < last; ++panel) {
    const size_t width = panel == 2 ? 32 : 64;  // 150 = 64 + 64 + 22
    for (size_t row = 0; row < 301;) {
      const size_t count = std::min<size_t>(rows_at_once, 301 - row);
      const auto open = reader.Next(count * width * sizeof(float));
      ASSERT_TRUE(open.has_value()) << open.error().reason;
      const auto* values = reinterpret_cast<const float*>(open->data());
      for (size_t i = 0; i < count * width; ++i) {
        const size_t column = panel * 64 + i % width;
        const float expected = column < 150 ? Expected(row + i / width, column) : 0.0f;
        ASSERT_EQ(values[i], expected < 0 ? expected : Exact(expected, storage));
      }
      row += count;
    }
  }
}

TEST(PanelReader, GivesPanelsInOrderWhateverThePieces) {
  for (const size_t rows : {1, 7, 64, 300, 301}) {
    Fixture f;
    {
      auto reader = f.Read(0, 3, rows * 64 * sizeof(float));
      ExpectPanels(reader, 0, 3, rows);
    }
    f.ExpectAllWiped();
  }
}

TEST(PanelReader, BeginsAtAnyPanel) {
  Fixture f;
  {
    auto reader = f.Read(1, 2, 301 * 64 * sizeof(float));
    ExpectPanels(reader, 1, 2, 301);
  }
  f.ExpectAllWiped();
}

TEST(PanelReader, OpensEachChunkOnce) {
  Fixture f;
  {
    auto reader = f.Read(0, 3, 7 * 64 * sizeof(float));
    ExpectPanels(reader, 0, 3, 7);
  }
  const uint64_t first = f.weight.offset / f.blob.chunk_bytes();
  const uint64_t last = (f.weight.offset + f.weight.byte_count - 1) / f.blob.chunk_bytes();
  EXPECT_EQ(f.ledger.Read().chunks_opened, last - first + 1);
}

TEST(PanelReader, WipesEachPieceBeforeTheNext) {
  Fixture f;
  auto reader = f.Read(0, 1, 100 * 64 * sizeof(float));
  const ByteSpan first = *reader.Next(100 * 64 * sizeof(float));
  const ByteSpan second = *reader.Next(16 * 64 * sizeof(float));
  // What the second doesn't cover must be zeros, or the rest of an open chunk.
  const size_t beyond = second.size() + f.blob.chunk_bytes();
  EXPECT_TRUE(std::ranges::all_of(first.subspan(beyond), [](uint8_t b) { return b == 0; }));
}

TEST(PanelReader, HasLittleOpenAtOnce) {
  Fixture f;
  const size_t piece = 20 * 64 * sizeof(float);
  {
    auto reader = f.Read(0, 3, piece);
    ExpectPanels(reader, 0, 3, 20);
  }
  EXPECT_GE(f.ledger.Read().peak_plaintext_bytes, piece);
  EXPECT_LE(f.ledger.Read().peak_plaintext_bytes, piece + 2 * f.blob.chunk_bytes());
}

TEST(PanelReader, RefusesAFlippedBitInAnyChunk) {
  Fixture f;
  const uint64_t first = f.weight.offset / f.blob.chunk_bytes();
  const uint64_t last = (f.weight.offset + f.weight.byte_count - 1) / f.blob.chunk_bytes();
  for (uint64_t chunk = first; chunk <= last; ++chunk) {
    const size_t at = chunk * (f.blob.chunk_bytes() + wire::kTagBytes) + 5;
    f.blob.sealed()[at] ^= 0x10;
    {
      auto reader = f.Read(0, 3, 301 * 64 * sizeof(float));
      Result<ByteSpan> open = ByteSpan();
      for (size_t panel = 0; panel < 3 && open.has_value(); ++panel) {
        open = reader.Next(301 * (panel == 2 ? 32 : 64) * sizeof(float));
      }
      ASSERT_FALSE(open.has_value()) << "chunk " << chunk;
      EXPECT_EQ(open.error().reason, "weights_unauthentic");
    }
    f.ExpectAllWiped();
    f.blob.sealed()[at] ^= 0x10;
  }
}

TEST(PanelReader, UpcomingIsWhatTheNextPieceOpens) {
  Fixture f;
  auto reader = f.Read(0, 3, 301 * 64 * sizeof(float));
  const ByteSpan upcoming = reader.Upcoming();
  const uint64_t first = f.weight.offset / f.blob.chunk_bytes();
  EXPECT_EQ(upcoming.data(),
            f.model.sealed_chunks.data() + first * (f.blob.chunk_bytes() + wire::kTagBytes));
  ASSERT_TRUE(reader.Next(16).has_value());
  EXPECT_EQ(reader.Upcoming().data(), upcoming.data() + f.blob.chunk_bytes() + wire::kTagBytes);
}

TEST(DerivedWeights, AreOpenAllTheTimeAndAsOldAsWhatIsInThem) {
  constexpr size_t kBytes = 4096;
  constexpr auto kHalf = std::chrono::milliseconds(20);
  using Clock = std::chrono::steady_clock;
  Fixture f;
  const auto arena = *Arena::Create(size_t{1} << 24);
  const Clock::time_point begin = Clock::now();
  Clock::time_point before_renewal, after_renewal;
  {
    DerivedWeights derived = *f.Weight().Derive(*arena, kBytes);
    std::this_thread::sleep_for(kHalf);
    before_renewal = Clock::now();
    EXPECT_EQ(derived.Renew().size(), kBytes);
    after_renewal = Clock::now();
    std::this_thread::sleep_for(kHalf);
  }
  const Clock::time_point end = Clock::now();
  const auto nanoseconds = [](Clock::duration time) {
    return static_cast<uint64_t>(std::chrono::nanoseconds(time).count());
  };
  const Ledger::Totals totals = f.ledger.Read();
  EXPECT_EQ(totals.peak_plaintext_bytes, kBytes);
  EXPECT_LE(totals.longest_plaintext_ns,
            nanoseconds(std::max(after_renewal - begin, end - before_renewal)));
  EXPECT_GE(totals.plaintext_byte_ns, kBytes * nanoseconds(2 * kHalf));
  EXPECT_LE(totals.plaintext_byte_ns, kBytes * nanoseconds(end - begin));
}

class HalfReader : public ::testing::TestWithParam<wire::ElementType> {};

TEST_P(HalfReader, GivesTheFloatsOfPanelsInOrderWhateverThePieces) {
  for (const size_t rows : {1, 7, 64, 300, 301}) {
    Fixture f(GetParam());
    {
      auto reader = f.Read(0, 3, rows * 64 * sizeof(float));
      ExpectPanels(reader, 0, 3, rows, GetParam());
    }
    f.ExpectAllWiped();
  }
  Fixture f(GetParam());
  auto reader = f.Read(1, 2, 301 * 64 * sizeof(float));
  ExpectPanels(reader, 1, 2, 301, GetParam());
}

TEST_P(HalfReader, OpensHalfTheBytesAndCountsWhatItMakesOfThemAsOpen) {
  Fixture f(GetParam());
  EXPECT_EQ(f.weight.byte_count, 301 * 160 * 2u);
  const size_t piece = 20 * 64 * sizeof(float);
  {
    auto reader = f.Read(0, 3, piece);
    ExpectPanels(reader, 0, 3, 20, GetParam());
    EXPECT_GT(f.ledger.Read().bytes_opened, f.ledger.Read().bytes_wiped);
  }
  const auto totals = f.ledger.Read();
  const uint64_t first = f.weight.offset / f.blob.chunk_bytes();
  const uint64_t last = (f.weight.offset + f.weight.byte_count - 1) / f.blob.chunk_bytes();
  EXPECT_EQ(totals.chunks_opened, last - first + 1);
  EXPECT_EQ(totals.bytes_opened, (last - first + 1) * f.blob.chunk_bytes());
  EXPECT_EQ(totals.peak_plaintext_bytes, piece + f.blob.chunk_bytes());
}

TEST_P(HalfReader, WipesEachPieceBeforeTheNext) {
  Fixture f(GetParam());
  auto reader = f.Read(0, 1, 100 * 64 * sizeof(float));
  const ByteSpan first = *reader.Next(100 * 64 * sizeof(float));
  const ByteSpan second = *reader.Next(16 * 64 * sizeof(float));
  EXPECT_TRUE(std::ranges::all_of(first.subspan(second.size()), [](uint8_t b) { return b == 0; }));
}

TEST_P(HalfReader, RefusesAFlippedBitInAnyChunk) {
  Fixture f(GetParam());
  const uint64_t first = f.weight.offset / f.blob.chunk_bytes();
  const uint64_t last = (f.weight.offset + f.weight.byte_count - 1) / f.blob.chunk_bytes();
  for (uint64_t chunk = first; chunk <= last; ++chunk) {
    const size_t at = chunk * (f.blob.chunk_bytes() + wire::kTagBytes) + 5;
    f.blob.sealed()[at] ^= 0x10;
    {
      auto reader = f.Read(0, 3, 301 * 64 * sizeof(float));
      Result<ByteSpan> open = ByteSpan();
      for (size_t panel = 0; panel < 3 && open.has_value(); ++panel) {
        open = reader.Next(301 * (panel == 2 ? 32 : 64) * sizeof(float));
      }
      ASSERT_FALSE(open.has_value()) << "chunk " << chunk;
    }
    f.ExpectAllWiped();
    f.blob.sealed()[at] ^= 0x10;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, HalfReader,
                         ::testing::Values(wire::ElementType::kFloat16,
                                           wire::ElementType::kBfloat16),
                         [](const auto& each) { return std::string(Name(each.param)); });

class ResidentReader : public ::testing::TestWithParam<wire::ElementType> {};

TEST_P(ResidentReader, ReadsWhatStaysOpenWithoutOpeningItAgain) {
  Fixture f(GetParam());
  auto arena = *Arena::Create(size_t{1} << 24);
  if (!arena->locked()) GTEST_SKIP() << "skipped: memory can't be locked here";
  {
    auto resident = *ResidentWeights::Create(f.model, *arena);
    ASSERT_TRUE(resident.Open(f.model, 0, f.blob.chunk_count(), f.ledger).has_value());
    f.model.resident = resident.bytes();
    const uint64_t opened = f.ledger.Read().bytes_opened;
    EXPECT_EQ(opened, f.blob.chunk_count() * f.blob.chunk_bytes());
    for (const size_t rows : {7, 301}) {
      auto reader = f.Read(0, 3, rows * 64 * sizeof(float));
      ExpectPanels(reader, 0, 3, rows, GetParam());
    }
    EXPECT_EQ(f.ledger.Read().bytes_opened, opened);
    EXPECT_LT(f.ledger.Read().longest_plaintext_ns, 100'000'000'000u);
    EXPECT_GE(f.ledger.Read().peak_plaintext_bytes, opened);
  }
  EXPECT_EQ(arena->bytes_in_use(), 0u);
  EXPECT_EQ(arena->bytes_wiped(), f.blob.chunk_count() * f.blob.chunk_bytes());
}

TEST_P(ResidentReader, RefusesAFlippedBitInAnyChunk) {
  Fixture f(GetParam());
  auto arena = *Arena::Create(size_t{1} << 24);
  if (!arena->locked()) GTEST_SKIP() << "skipped: memory can't be locked here";
  for (uint64_t chunk = 0; chunk < f.blob.chunk_count(); ++chunk) {
    const size_t at = chunk * (f.blob.chunk_bytes() + wire::kTagBytes) + 9;
    f.blob.sealed()[at] ^= 1;
    auto resident = *ResidentWeights::Create(f.model, *arena);
    EXPECT_FALSE(resident.Open(f.model, 0, f.blob.chunk_count(), f.ledger).has_value());
    f.blob.sealed()[at] ^= 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, ResidentReader,
                         ::testing::Values(wire::ElementType::kFloat, wire::ElementType::kFloat16),
                         [](const auto& each) { return std::string(Name(each.param)); });

}  // namespace
}  // namespace ephemeralml::weights
