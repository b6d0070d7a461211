#include "enclave/engine/base/testing/packed_run.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ephemeralml::engine::testing {
namespace {

constexpr size_t kArenaBytes = size_t{256} << 20;

}  // namespace

PackedRun::PackedRun(const weights::testing::TestBlob& blob, size_t threads,
                     const weights::WeightInfo* next)
    : arena_(*Arena::Create(kArenaBytes)),
      model_(blob.model()),
      threads_(threads),
      windows_(*MakeWindows(*arena_, model_, threads)),
      resources_{&model_, arena_.get(), &ledger_, &threads_, windows_, nullptr},
      context_(resources_, {}, {}, next) {}

void PackedRun::ExpectAllWiped() const {
  EXPECT_EQ(totals().bytes_opened, totals().bytes_wiped);
  for (const ArenaBlock& window : windows_) {
    EXPECT_TRUE(std::ranges::all_of(window.bytes(), [](uint8_t byte) { return byte == 0; }));
  }
}

}  // namespace ephemeralml::engine::testing
