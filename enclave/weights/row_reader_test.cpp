#include "enclave/weights/row_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "enclave/weights/testing/test_blob.h"

namespace ephemeralml::weights {
namespace {

using wire::ElementType;

// A table between two other weights, and a window to read it through.
class Table {
 public:
  Table(int64_t rows, int64_t columns) {
    plain_.resize(static_cast<size_t>(rows * columns));
    for (size_t i = 0; i < plain_.size(); ++i) plain_[i] = static_cast<uint8_t>(i * 31 + i / 256);
    const Bytes other(20'000, 9);
    blob_.Add(ElementType::kUint8, {20'000}, other, PanelLayout::kRows, 0);
    weight_ = blob_.Add(ElementType::kUint8, {rows, columns}, plain_, PanelLayout::kRows, 0);
    blob_.Add(ElementType::kUint8, {20'000}, other, PanelLayout::kRows, 0);
    blob_.Seal();
    model_ = blob_.model();
    window_.resize(model_.cipher->chunk_bytes());
    row_bytes_ = static_cast<size_t>(columns);
  }

  // The reader of a test is gone before this looks.
  void ExpectAllWiped() const {
    EXPECT_TRUE(std::ranges::all_of(window_, [](uint8_t byte) { return byte == 0; }));
    EXPECT_EQ(ledger_.Read().bytes_opened, ledger_.Read().bytes_wiped);
  }

  // Reads rows in this order, knowing each time what comes next, and compares.
  void ExpectRows(const std::vector<uint64_t>& rows) {
    RowReader reader(model_, weight_, ledger_, window_);
    Bytes row(row_bytes_);
    for (size_t i = 0; i < rows.size(); ++i) {
      std::optional<uint64_t> next;
      if (i + 1 < rows.size()) next = rows[i + 1];
      ASSERT_TRUE(reader.Copy(rows[i], next, row).has_value());
      ASSERT_TRUE(std::ranges::equal(row, Plain(rows[i]))) << "row " << rows[i];
    }
  }

  ByteSpan Plain(uint64_t row) const {
    return ByteSpan(plain_).subspan(row * row_bytes_, row_bytes_);
  }
  // The chunks that these rows touch.
  size_t ChunksOf(const std::vector<uint64_t>& rows) const {
    std::set<uint64_t> chunks;
    for (const uint64_t row : rows) {
      const uint64_t begin = weight_.offset + row * row_bytes_;
      for (uint64_t at = begin; at < begin + row_bytes_; ++at) chunks.insert(at / window_.size());
    }
    return chunks.size();
  }

  testing::TestBlob blob_;
  Bytes plain_;
  WeightInfo weight_;
  SealedModel model_;
  Bytes window_;
  Ledger ledger_;
  size_t row_bytes_ = 0;
};

TEST(RowReader, ReadsRowsInAnyOrder) {
  std::mt19937 random(1);
  for (const auto& [rows, columns] :
       {std::pair<int64_t, int64_t>{5000, 8}, {200, 1536}, {7, 40'000}, {3, 16'384}}) {
    Table table(rows, columns);
    std::vector<uint64_t> order;
    for (int i = 0; i < 60; ++i) order.push_back(random() % static_cast<uint64_t>(rows));
    table.ExpectRows(order);
    table.ExpectAllWiped();
    std::ranges::sort(order);
    table.ExpectRows(order);
    table.ExpectAllWiped();
  }
}

TEST(RowReader, OpensEachChunkOnceForRowsInOrder) {
  Table table(200, 1536);
  const std::vector<uint64_t> rows = {3, 3, 4, 5, 20, 21, 100, 199};
  table.ExpectRows(rows);
  EXPECT_EQ(table.ledger_.Read().chunks_opened, table.ChunksOf(rows));
  EXPECT_EQ(table.ledger_.Read().peak_plaintext_bytes, table.window_.size());
}

TEST(RowReader, CopiesNothingOfAChunkThatWasAltered) {
  Table table(200, 1536);
  const uint64_t chunk = (table.weight_.offset + 50 * 1536) / table.window_.size();
  table.blob_.sealed()[chunk * table.model_.cipher->sealed_chunk_bytes() + 77] ^= 1;
  {
    RowReader reader(table.model_, table.weight_, table.ledger_, table.window_);
    Bytes row(1536, 7);
    ASSERT_TRUE(reader.Copy(0, 50, row).has_value());
    std::ranges::fill(row, uint8_t{7});
    const Done done = reader.Copy(50, 199, row);
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().reason, "weights_unauthentic");
    EXPECT_TRUE(std::ranges::all_of(row, [](uint8_t byte) { return byte == 7; }));
    // What was opened before is gone from the window: it must be opened again.
    ASSERT_TRUE(reader.Copy(0, std::nullopt, row).has_value());
    EXPECT_TRUE(std::ranges::equal(row, table.Plain(0)));
  }
  table.ExpectAllWiped();
}

TEST(RowReader, SurvivesChunksThatAreMissing) {
  Table table(200, 1536);
  table.model_.sealed_chunks =
      table.model_.sealed_chunks.first(4 * table.model_.cipher->sealed_chunk_bytes() + 10);
  {
    RowReader reader(table.model_, table.weight_, table.ledger_, table.window_);
    Bytes row(1536);
    ASSERT_TRUE(reader.Copy(0, 199, row).has_value());
    EXPECT_FALSE(reader.Copy(199, std::nullopt, row).has_value());
  }
  table.ExpectAllWiped();
}

TEST(RowReader, ReadsWhatStaysOpen) {
  Table table(10, 100);
  Bytes stream(table.weight_.offset + table.plain_.size());
  std::ranges::copy(table.plain_,
                    stream.begin() + static_cast<std::ptrdiff_t>(table.weight_.offset));
  table.model_.resident = stream;
  table.ExpectRows({9, 0, 4});
  EXPECT_EQ(table.ledger_.Read().chunks_opened, 0u);
}

}  // namespace
}  // namespace ephemeralml::weights
