#include "enclave/engine/panels/panel_shares.h"

#include <algorithm>

namespace ephemeralml::engine::panels {
namespace {

// Opening a weight takes as long as multiplying this many rows with it.
constexpr int64_t kOpeningRows = 32;

uint64_t Pack(uint64_t first, uint64_t end) { return first << 32 | end; }
uint64_t FirstOf(uint64_t panels) { return panels >> 32; }
uint64_t EndOf(uint64_t panels) { return panels & UINT32_MAX; }

}  // namespace

void PanelQueue::Set(int64_t first, int64_t end) {
  panels_.store(Pack(static_cast<uint64_t>(first), static_cast<uint64_t>(end)),
                std::memory_order_relaxed);
}

std::optional<int64_t> PanelQueue::TakeFirst() {
  uint64_t seen = panels_.load(std::memory_order_relaxed);
  while (FirstOf(seen) < EndOf(seen)) {
    if (panels_.compare_exchange_weak(seen, Pack(FirstOf(seen) + 1, EndOf(seen)),
                                      std::memory_order_relaxed)) {
      return static_cast<int64_t>(FirstOf(seen));
    }
  }
  return std::nullopt;
}

std::optional<int64_t> PanelQueue::TakeLast() {
  uint64_t seen = panels_.load(std::memory_order_relaxed);
  while (FirstOf(seen) < EndOf(seen)) {
    if (panels_.compare_exchange_weak(seen, Pack(FirstOf(seen), EndOf(seen) - 1),
                                      std::memory_order_relaxed)) {
      return static_cast<int64_t>(EndOf(seen) - 1);
    }
  }
  return std::nullopt;
}

std::vector<int64_t> CutIntoShares(const wire::PackedShape& shape, int64_t blocks, int64_t rows,
                                   size_t shares) {
  const auto panels = static_cast<int64_t>(shape.panel_count());
  const auto width = [&](int64_t panel) {
    return static_cast<int64_t>(shape.WidthOf(static_cast<uint64_t>(panel)));
  };
  const int64_t block_rows = std::max<int64_t>(rows / blocks, 1);
  // What is left of a panel from some block on, in rows times columns.
  const auto cost = [&](int64_t panel, int64_t block) {
    return width(panel) * ((blocks - block) * block_rows + kOpeningRows);
  };
  int64_t rest = 0;
  for (int64_t panel = 0; panel < panels; ++panel) rest += cost(panel, 0);
  std::vector<int64_t> ends;
  int64_t panel = 0;
  int64_t block = 0;
  for (auto left = static_cast<int64_t>(shares); left > 1; --left) {
    int64_t room = rest / left;
    for (; panel < panels && cost(panel, block) <= room; ++panel, block = 0) {
      room -= cost(panel, block);
      rest -= cost(panel, block);
    }
    if (panel < panels) {
      // Every share bears its part of opening this panel twice.
      const int64_t opening = width(panel) * kOpeningRows;
      const int64_t one = width(panel) * block_rows;
      const int64_t fit = (room + opening / left - opening + one / 2) / one;
      const int64_t taken = std::clamp<int64_t>(fit, 0, blocks - block);
      rest -= taken * one;
      block += taken;
      if (block == blocks) {
        rest -= opening;
        ++panel;
        block = 0;
      }
    }
    ends.push_back(panel * blocks + block);
  }
  ends.push_back(panels * blocks);
  return ends;
}

}  // namespace ephemeralml::engine::panels
