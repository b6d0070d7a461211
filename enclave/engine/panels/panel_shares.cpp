#include "enclave/engine/panels/panel_shares.h"

#include <algorithm>
#include <vector>

namespace ephemeralml::engine::panels {
namespace {

// Opening a weight takes as long as multiplying this many rows with it.
constexpr int64_t kOpeningRows = 32;
// A product of fewer rows is done before what is sealed comes into the cache meanwhile.
constexpr int64_t kRowsToFetchDuring = 8;
// So many rows or multiplications of a panel are worth opening it once more.
constexpr int64_t kRowsWorthOpening = 4 * kOpeningRows;
constexpr int64_t kWorthOpening = 1024 * 1024;
// Below this many multiplications waking another thread costs more than it brings.
constexpr int64_t kWorthAThread = 128 * 1024;

uint64_t Pack(uint64_t first, uint64_t end) { return first << 32 | end; }
uint64_t FirstOf(uint64_t items) { return items >> 32; }
uint64_t EndOf(uint64_t items) { return items & UINT32_MAX; }
ItemRange RangeOf(uint64_t begin, uint64_t end) {
  return {static_cast<int64_t>(begin), static_cast<int64_t>(end)};
}

// Where a thread keeps open weights.
struct OwnMemory {
  MutableByteSpan window;
  weights::DerivedWeights& derived;
  size_t share;
};

// One job, shared out. The units of work are the blocks of all panels, in their order.
class Sharing {
 public:
  Sharing(const PanelJob& job, size_t shares)
      : job_(job),
        weight_(*job.weight),
        blocks_(job.work.blocks),
        distance_(job.work.rows < kRowsToFetchDuring ? weights::Distance::kFar
                                                     : weights::Distance::kNear),
        least_blocks_(LeastBlocks(job)),
        may_be_split_(job.may_be_split && shares > 1 &&
                      static_cast<int64_t>(weight_.shape().panel_count()) * blocks_ <= UINT32_MAX),
        shares_(shares) {
    const std::vector<int64_t> ends =
        CutIntoShares(weight_.shape(), blocks_, job.work.rows, shares);
    for (size_t i = 0; i < shares; ++i) {
      Share& share = shares_[i];
      share.begin = i == 0 ? 0 : ends[i - 1];
      share.end = ends[i];
      if (share.begin < share.end) {
        share.panels.Set(share.begin / blocks_, PanelsUntil(share.end));
      }
    }
  }

  // What share `index` opens first.
  ByteSpan FirstSealed(size_t index) const {
    const Share& share = shares_[index];
    if (share.begin == share.end) return {};
    const int64_t first = share.begin / blocks_;
    return Read(first, first + 1, {}).Upcoming();
  }

  Done RunOwn(size_t index, const OwnMemory& own, ByteSpan ahead) {
    Share& share = shares_[index];
    std::optional<int64_t> panel = share.panels.TakeFirst();
    if (!panel) return {};
    weights::PanelReader reader = Read(*panel, PanelsUntil(share.end), own.window);
    for (; panel; panel = share.panels.TakeFirst()) {
      TRY_OK(RunPanel(reader, *panel, share, share.units, own, ahead));
    }
    return {};
  }

  // What nobody has begun of the other shares: panels, then parts of panels.
  Done RunOthers(size_t index, const OwnMemory& own, ByteSpan ahead) {
    for (size_t i = 1; i < shares_.size(); ++i) {
      Share& other = shares_[(index + i) % shares_.size()];
      while (const std::optional<int64_t> panel = other.panels.TakeLast()) {
        weights::PanelReader reader = Read(*panel, *panel + 1, own.window);
        TRY_OK(RunPanel(reader, *panel, other, shares_[index].units, own, ahead));
      }
    }
    for (size_t i = 1; i < shares_.size(); ++i) {
      Share& other = shares_[(index + i) % shares_.size()];
      while (const auto part = other.units.TakeLastHalf(least_blocks_)) {
        const int64_t panel = part->begin / blocks_;
        weights::PanelReader reader = Read(panel, panel + 1, own.window);
        TRY_OK(RunUnits(reader, panel, *part, shares_[index].units, own, ahead));
      }
    }
    return {};
  }

 private:
  // The units [begin, end); of the panels at its ends, perhaps a part.
  struct Share {
    int64_t begin = 0;
    int64_t end = 0;
    ItemQueue panels;
    ItemQueue units;  // of the panel that the share's thread works on, or another's
  };

  // Of a panel.
  static int64_t LeastBlocks(const PanelJob& job) {
    const int64_t rows = std::max<int64_t>(job.work.rows / job.work.blocks, 1);
    const wire::PackedShape& shape = job.weight->shape();
    const uint64_t columns = std::min<uint64_t>(shape.columns, wire::kPanelColumns);
    const auto work = static_cast<int64_t>(shape.steps * columns) * rows;
    return std::max((kRowsWorthOpening + rows - 1) / rows,
                    kWorthOpening / std::max<int64_t>(work, 1));
  }

  int64_t PanelsUntil(int64_t unit) const { return (unit + blocks_ - 1) / blocks_; }

  weights::PanelReader Read(int64_t first, int64_t last, MutableByteSpan window) const {
    return weight_.Read(static_cast<uint64_t>(first), static_cast<uint64_t>(last), window,
                        distance_);
  }

  // What a share has of one panel.
  Done RunPanel(weights::PanelReader& reader, int64_t panel, const Share& share, ItemQueue& units,
                const OwnMemory& own, ByteSpan ahead) const {
    const int64_t base = panel * blocks_;
    const ItemRange given = {std::max(share.begin, base), std::min(share.end, base + blocks_)};
    return RunUnits(reader, panel, given, units, own, ahead);
  }

  // Some units of one panel, in parts if others may take their share of them from `units`.
  Done RunUnits(weights::PanelReader& reader, int64_t panel, ItemRange given, ItemQueue& units,
                const OwnMemory& own, ByteSpan ahead) const {
    const int64_t base = panel * blocks_;
    given = {given.begin - base, given.end - base};
    PanelBlocks blocks = {reader,    own.derived, own.share, panel, given.begin,
                          given.end, ahead,       given,     {}};
    if (!may_be_split_) return job_.run(blocks);
    units.Set(base + given.begin, base + given.end);
    while (const auto part = units.TakeFirstHalf(least_blocks_)) {
      blocks.begin = part->begin - base;
      blocks.end = part->end - base;
      TRY_OK(job_.run(blocks));
    }
    return {};
  }

  const PanelJob& job_;
  const weights::PackedWeight& weight_;
  int64_t blocks_;
  weights::Distance distance_;
  int64_t least_blocks_;  // that are worth opening their panel once more
  bool may_be_split_;
  std::vector<Share> shares_;
};

}  // namespace

void ItemQueue::Set(int64_t first, int64_t end) {
  items_.store(Pack(static_cast<uint64_t>(first), static_cast<uint64_t>(end)),
               std::memory_order_relaxed);
}

std::optional<int64_t> ItemQueue::TakeFirst() {
  uint64_t seen = items_.load(std::memory_order_relaxed);
  while (FirstOf(seen) < EndOf(seen)) {
    if (items_.compare_exchange_weak(seen, Pack(FirstOf(seen) + 1, EndOf(seen)),
                                     std::memory_order_relaxed)) {
      return static_cast<int64_t>(FirstOf(seen));
    }
  }
  return std::nullopt;
}

std::optional<int64_t> ItemQueue::TakeLast() {
  uint64_t seen = items_.load(std::memory_order_relaxed);
  while (FirstOf(seen) < EndOf(seen)) {
    if (items_.compare_exchange_weak(seen, Pack(FirstOf(seen), EndOf(seen) - 1),
                                     std::memory_order_relaxed)) {
      return static_cast<int64_t>(EndOf(seen) - 1);
    }
  }
  return std::nullopt;
}

std::optional<ItemRange> ItemQueue::TakeFirstHalf(int64_t least) {
  uint64_t seen = items_.load(std::memory_order_relaxed);
  while (FirstOf(seen) < EndOf(seen)) {
    const uint64_t half = (EndOf(seen) - FirstOf(seen)) / 2;
    const uint64_t count = half < static_cast<uint64_t>(least) ? EndOf(seen) - FirstOf(seen) : half;
    if (items_.compare_exchange_weak(seen, Pack(FirstOf(seen) + count, EndOf(seen)),
                                     std::memory_order_relaxed)) {
      return RangeOf(FirstOf(seen), FirstOf(seen) + count);
    }
  }
  return std::nullopt;
}

std::optional<ItemRange> ItemQueue::TakeLastHalf(int64_t least) {
  uint64_t seen = items_.load(std::memory_order_relaxed);
  while (FirstOf(seen) < EndOf(seen)) {
    const uint64_t count = (EndOf(seen) - FirstOf(seen)) / 2;
    if (count < static_cast<uint64_t>(least)) return std::nullopt;
    if (items_.compare_exchange_weak(seen, Pack(FirstOf(seen), EndOf(seen) - count),
                                     std::memory_order_relaxed)) {
      return RangeOf(EndOf(seen) - count, EndOf(seen));
    }
  }
  return std::nullopt;
}

ByteSpan PanelBlocks::SealedToFetch(size_t bytes) const {
  ByteSpan sealed = reader.Upcoming();
  if (sealed.empty()) sealed = ahead;
  sealed = sealed.first(std::min(sealed.size(), bytes));
  const auto until = [&](int64_t block) {
    return sealed.size() * static_cast<size_t>(block - given.begin) /
           static_cast<size_t>(given.end - given.begin);
  };
  return sealed.subspan(until(begin), until(end) - until(begin));
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
  ends.reserve(shares);
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

Done RunOnPanels(KernelContext& context, std::span<const PanelJob> jobs) {
  int64_t work = 0;
  int64_t most_units = 0;
  for (const PanelJob& job : jobs) {
    const wire::PackedShape& shape = job.weight->shape();
    work += job.work.rows * static_cast<int64_t>(shape.steps * shape.columns);
    most_units = std::max(most_units, static_cast<int64_t>(shape.panel_count()) * job.work.blocks);
  }
  if (most_units == 0) return {};
  const auto threads = static_cast<int64_t>(context.threads().count());
  const auto shares = static_cast<size_t>(
      std::clamp<int64_t>(work / kWorthAThread, 1, std::min(threads, most_units)));
  std::vector<Sharing> sharings;
  sharings.reserve(jobs.size());
  for (const PanelJob& job : jobs) sharings.emplace_back(job, shares);
  const auto most_derived = std::ranges::max_element(jobs, {}, &PanelJob::derived_bytes);
  const auto run_share = [&](size_t share) -> Done {
    TRY(weights::DerivedWeights derived,
        most_derived->weight->Derive(context.arena(), most_derived->derived_bytes));
    const OwnMemory own = {context.Window(share), derived, share};
    const ByteSpan after = context.SealedAhead(share, shares);
    for (size_t i = 0; i < sharings.size(); ++i) {
      const bool is_last = i + 1 == sharings.size();
      const ByteSpan ahead = is_last ? after : sharings[i + 1].FirstSealed(share);
      TRY_OK(sharings[i].RunOwn(share, own, ahead));
    }
    for (Sharing& sharing : sharings) TRY_OK(sharing.RunOthers(share, own, after));
    return {};
  };
  return context.threads().TryParallelFor(shares, 1, [&](size_t begin, size_t end) -> Done {
    for (size_t share = begin; share < end; ++share) {
      if (Done done = run_share(share); !done) return done;
    }
    return {};
  });
}

}  // namespace ephemeralml::engine::panels
