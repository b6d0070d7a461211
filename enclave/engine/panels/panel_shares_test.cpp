#include "enclave/engine/panels/panel_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

#include "enclave/engine/base/testing/packed_run.h"

namespace ephemeralml::engine::panels {
namespace {

using engine::testing::PackedRun;

TEST(ItemQueue, GivesPanelsFromBothEndsUntilTheyMeet) {
  ItemQueue queue;
  EXPECT_FALSE(queue.TakeFirst());
  EXPECT_FALSE(queue.TakeLast());
  queue.Set(3, 6);
  EXPECT_EQ(queue.TakeFirst(), 3);
  EXPECT_EQ(queue.TakeLast(), 5);
  EXPECT_EQ(queue.TakeLast(), 4);
  EXPECT_FALSE(queue.TakeFirst());
  EXPECT_FALSE(queue.TakeLast());
}

TEST(ItemQueue, GivesHalvesUntilTheyAreTooSmall) {
  ItemQueue queue;
  EXPECT_FALSE(queue.TakeFirstHalf(1));
  EXPECT_FALSE(queue.TakeLastHalf(1));
  const auto is = [](const std::optional<ItemRange>& range, int64_t begin, int64_t end) {
    return range && range->begin == begin && range->end == end;
  };
  queue.Set(100, 140);
  EXPECT_TRUE(is(queue.TakeFirstHalf(8), 100, 120));
  EXPECT_TRUE(is(queue.TakeLastHalf(8), 130, 140));
  EXPECT_FALSE(queue.TakeLastHalf(8)) << "of ten items a half is five";
  EXPECT_TRUE(is(queue.TakeFirstHalf(8), 120, 130)) << "their own thread takes them all";
  EXPECT_FALSE(queue.TakeFirstHalf(1));
}

TEST(ItemQueue, GivesEachPanelOnce) {
  constexpr size_t kPanels = 100'000;
  constexpr size_t kTakers = 4;
  ItemQueue queue;
  queue.Set(0, kPanels);
  std::vector<std::vector<int64_t>> taken(kTakers);
  std::vector<std::thread> takers;
  for (size_t i = 0; i < kTakers; ++i) {
    takers.emplace_back([&queue, &mine = taken[i], i] {
      while (const auto panel = i % 2 == 0 ? queue.TakeFirst() : queue.TakeLast()) {
        mine.push_back(*panel);
      }
    });
  }
  for (std::thread& taker : takers) taker.join();
  std::vector<int64_t> all;
  for (const auto& mine : taken) all.insert(all.end(), mine.begin(), mine.end());
  std::ranges::sort(all);
  std::vector<int64_t> expected(kPanels);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

wire::PackedShape Columns(uint64_t columns) {
  return {.columns = columns, .steps = 10, .has_bias = false};
}

using Ends = std::vector<int64_t>;

TEST(CutIntoShares, GivesEqualPanelsEvenly) {
  EXPECT_EQ(CutIntoShares(Columns(384), 10, 128, 1), Ends({60}));
  EXPECT_EQ(CutIntoShares(Columns(384), 10, 128, 2), Ends({30, 60}));
  EXPECT_EQ(CutIntoShares(Columns(384), 10, 128, 3), Ends({20, 40, 60}));
}

TEST(CutIntoShares, CutsAPanelWhereThatIsFaster) {
  // One panel: both open it.
  EXPECT_EQ(CutIntoShares(Columns(64), 10, 1000, 2), Ends({5, 10}));
  // A panel of 64 columns and one of 32, of 1,000 rows: three quarters of the first one, and one
  // block more, since the other side opens two.
  EXPECT_EQ(CutIntoShares(Columns(96), 100, 1000, 2), Ends({76, 200}));
}

TEST(CutIntoShares, OpensNoPanelTwiceForAFewRows) {
  // Two panels of 64 columns and one of 32, of 20 rows.
  EXPECT_EQ(CutIntoShares(Columns(160), 2, 20, 2), Ends({2, 6}));
}

TEST(CutIntoShares, CoversAllUnitsInOrderWhateverTheNumbers) {
  for (const uint64_t columns : {1, 16, 64, 80, 96, 160, 1000}) {
    for (const int64_t blocks : {1, 2, 7, 224}) {
      for (const int64_t rows : {blocks, 7 * blocks, 14 * blocks}) {
        for (const size_t shares : {1, 2, 3, 16}) {
          const Ends ends = CutIntoShares(Columns(columns), blocks, rows, shares);
          ASSERT_EQ(ends.size(), shares);
          EXPECT_TRUE(std::ranges::is_sorted(ends));
          EXPECT_GE(ends.front(), 0);
          EXPECT_EQ(ends.back(), static_cast<int64_t>(Columns(columns).panel_count()) * blocks);
        }
      }
    }
  }
}

// Also where a panel is cut between threads, and where one takes another's.
TEST(RunOnPanels, DoesEachBlockOfEachPanelOnce) {
  constexpr int64_t kBlocks = 10;
  weights::testing::TestBlob blob;
  const weights::WeightInfo weight = blob.AddPacked({64, 160}, std::vector<float>(size_t{64} * 160),
                                                    {}, weights::PanelLayout::kMatrixPanels);
  blob.Seal();
  for (const size_t count : {1, 2, 3, 7}) {
    PackedRun run(blob, count);
    std::vector<std::atomic<int>> done(3 * kBlocks);
    const weights::PackedWeight packed = run.Packed(weight);
    const auto note = [&](const PanelBlocks& blocks) {
      for (int64_t block = blocks.begin; block < blocks.end; ++block) {
        ++done[static_cast<size_t>(blocks.panel * kBlocks + block)];
      }
      return Done();
    };
    const PanelJob job = {&packed, {.blocks = kBlocks, .rows = 1000}, note};
    ASSERT_TRUE(RunOnPanels(run.context(), {&job, 1}).has_value());
    for (const std::atomic<int>& times : done) EXPECT_EQ(times, 1) << count << " threads";
  }
}

// A thread that is done takes blocks from another's panel; both read it once for what they do of
// it.
TEST(RunOnPanels, SplitsAPanelThatWasBegun) {
  constexpr int64_t kBlocks = 1000;
  weights::testing::TestBlob blob;
  const weights::WeightInfo weight = blob.AddPacked({384, 64}, std::vector<float>(size_t{384} * 64),
                                                    {}, weights::PanelLayout::kMatrixPanels);
  blob.Seal();
  PackedRun run(blob, 2);
  std::vector<std::atomic<int>> done(kBlocks);
  const weights::PackedWeight packed = run.Packed(weight);
  std::atomic<int> readings = 0;
  std::atomic<int64_t> taken = 0;
  const auto work = [&](PanelBlocks& blocks) -> Done {
    EXPECT_LE(blocks.given.begin, blocks.begin);
    EXPECT_LE(blocks.end, blocks.given.end);
    if (blocks.open.empty()) {
      TRY(blocks.open, blocks.reader.Next(size_t{384} * 64 * sizeof(float)));
      ++readings;
    }
    // The share's own thread is held up until the other has come for a part of it.
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (blocks.begin == 0 && taken == 0 && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    for (int64_t block = blocks.begin; block < blocks.end; ++block) {
      ++done[static_cast<size_t>(block)];
    }
    if (blocks.given.begin > 0 && blocks.begin < kBlocks / 2) taken += blocks.end - blocks.begin;
    return {};
  };
  const PanelJob job = {.weight = &packed,
                        .work = {.blocks = kBlocks, .rows = 14 * kBlocks},
                        .run = work,
                        .may_be_split = true};
  ASSERT_TRUE(RunOnPanels(run.context(), {&job, 1}).has_value());
  for (const std::atomic<int>& times : done) EXPECT_EQ(times, 1);
  EXPECT_GT(taken, 0);
  EXPECT_GE(readings, 3);
  EXPECT_LT(readings, 20);
}

// One has fewer panels than there are threads, and one has none of the other's blocks.
TEST(RunOnPanels, DoesAllJobsInOneRegion) {
  weights::testing::TestBlob blob;
  const auto layout = weights::PanelLayout::kMatrixPanels;
  const std::vector<float> values(size_t{64} * 512);
  const weights::WeightInfo small =
      blob.AddPacked({64, 40}, std::vector<float>(size_t{64} * 40), {}, layout);
  const weights::WeightInfo large = blob.AddPacked({64, 512}, values, {}, layout);
  blob.Seal();
  for (const size_t count : {1, 2, 7}) {
    PackedRun run(blob, count);
    const weights::PackedWeight first = run.Packed(small);
    const weights::PackedWeight second = run.Packed(large);
    std::vector<std::atomic<int>> of_first(3);
    std::vector<std::atomic<int>> of_second(8 * 5);
    std::atomic<const uint8_t*> ahead = nullptr;
    const auto note_first = [&](const PanelBlocks& blocks) {
      if (blocks.begin == 0) ahead = blocks.ahead.data();
      for (int64_t i = blocks.begin; i < blocks.end; ++i) ++of_first[static_cast<size_t>(i)];
      return Done();
    };
    const auto note_second = [&](const PanelBlocks& blocks) {
      for (int64_t i = blocks.begin; i < blocks.end; ++i) {
        ++of_second[static_cast<size_t>(blocks.panel * 5 + i)];
      }
      return Done();
    };
    const PanelJob jobs[] = {{&first, {.blocks = 3, .rows = 1000}, note_first},
                             {&second, {.blocks = 5, .rows = 1000}, note_second}};
    ASSERT_TRUE(RunOnPanels(run.context(), jobs).has_value());
    for (const std::atomic<int>& times : of_first) EXPECT_EQ(times, 1) << count << " threads";
    for (const std::atomic<int>& times : of_second) EXPECT_EQ(times, 1) << count << " threads";
    if (count > 1) continue;
    EXPECT_EQ(ahead, second.Read(0, 1, {}).Upcoming().data());
  }
}

TEST(RunOnPanels, LendsMemoryThatCountsAsOpenAndIsWiped) {
  constexpr size_t kBytes = 4096;
  weights::testing::TestBlob blob;
  const weights::WeightInfo weight = blob.AddPacked({64, 256}, std::vector<float>(size_t{64} * 256),
                                                    {}, weights::PanelLayout::kMatrixPanels);
  blob.Seal();
  for (const size_t count : {1, 2}) {
    PackedRun run(blob, count);
    const weights::PackedWeight packed = run.Packed(weight);
    std::mutex mutex;
    std::map<uint8_t*, std::thread::id> lent;
    const auto note = [&](const PanelBlocks& blocks) {
      const MutableByteSpan memory = blocks.derived.Renew();
      EXPECT_EQ(memory.size(), kBytes);
      const std::lock_guard lock(mutex);
      const auto [of, is_new] = lent.emplace(memory.data(), std::this_thread::get_id());
      EXPECT_EQ(of->second, std::this_thread::get_id());
      // What the panel before left is there to be written over.
      EXPECT_TRUE(is_new || memory.back() == 0xab);
      std::ranges::fill(memory, uint8_t{0xab});
      return Done();
    };
    const PanelJob job = {&packed, {.blocks = 10, .rows = 1000}, note, kBytes};
    ASSERT_TRUE(RunOnPanels(run.context(), {&job, 1}).has_value());
    EXPECT_GE(run.totals().peak_plaintext_bytes, kBytes);
    EXPECT_LE(run.totals().peak_plaintext_bytes, count * kBytes);
    EXPECT_EQ(run.totals().bytes_opened, 0U);
    const ArenaBlock left = *run.arena().AllocateToOverwrite(size_t{8} << 20);
    EXPECT_EQ(std::ranges::count(left.bytes(), 0xab), 0);
  }
}

TEST(RunOnPanels, SaysWhatEachThreadOpensNext) {
  weights::testing::TestBlob blob;
  const std::vector<float> values(size_t{512} * 64);
  const auto layout = weights::PanelLayout::kMatrixPanels;
  const weights::WeightInfo weight = blob.AddPacked({64, 512}, values, {}, layout);
  const weights::WeightInfo next = blob.AddPacked({64, 512}, values, {}, layout);
  blob.Seal();
  PackedRun run(blob, 2, &next);
  std::vector<const uint8_t*> ahead(8);
  const weights::PackedWeight packed = run.Packed(weight);
  const auto note = [&](const PanelBlocks& blocks) {
    EXPECT_EQ(blocks.begin, 0);
    EXPECT_EQ(blocks.end, 10);
    ahead[static_cast<size_t>(blocks.panel)] = blocks.ahead.data();
    PanelBlocks front = blocks, back = blocks;
    front.end = back.begin = 4;
    const ByteSpan all = blocks.SealedToFetch(1000), first = front.SealedToFetch(1000);
    EXPECT_EQ(first.data(), all.data());
    EXPECT_EQ(first.size(), all.size() * 4 / 10);
    EXPECT_EQ(back.SealedToFetch(1000).data(), first.data() + first.size());
    EXPECT_EQ(back.SealedToFetch(1000).size(), all.size() - first.size());
    return Done();
  };
  const PanelJob job = {&packed, {.blocks = 10, .rows = 128}, note};
  ASSERT_TRUE(RunOnPanels(run.context(), {&job, 1}).has_value());
  // Where a panel of the next weight begins.
  const auto sealed_at = [&](uint64_t panel) {
    const uint64_t byte = next.offset + next.packed.OffsetOf(panel) * sizeof(float);
    return run.model().sealed_chunks.data() +
           byte / run.model().cipher->chunk_bytes() * run.model().cipher->sealed_chunk_bytes();
  };
  EXPECT_NE(sealed_at(0), sealed_at(4));
  EXPECT_EQ(run.context().SealedAhead(0, 2).data(), sealed_at(0));
  EXPECT_EQ(run.context().SealedAhead(1, 2).data(), sealed_at(4));
  for (const uint8_t* each : ahead) EXPECT_TRUE(each == sealed_at(0) || each == sealed_at(4));
  EXPECT_TRUE(PackedRun(blob, 2).context().SealedAhead(0, 2).empty());
}

}  // namespace
}  // namespace ephemeralml::engine::panels
