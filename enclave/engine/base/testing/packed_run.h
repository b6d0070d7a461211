#pragma once
// All that a kernel needs to work with packed weights: what a request makes once, over a blob of a
// test's own.

#include <memory>
#include <vector>

#include "enclave/engine/base/node_context.h"
#include "enclave/weights/testing/test_blob.h"

namespace ephemeralml::engine::testing {

class PackedRun {
 public:
  /// The blob is sealed and outlives it. `next`: the packed weight that a later node takes next.
  PackedRun(const weights::testing::TestBlob& blob, size_t threads,
            const weights::WeightInfo* next = nullptr);

  NodeContext& context() { return context_; }
  Arena& arena() { return *arena_; }
  const weights::SealedModel& model() const { return model_; }
  weights::Ledger::Totals totals() const { return ledger_.Read(); }
  weights::PackedWeight Packed(const weights::WeightInfo& weight) {
    return {model_, weight, ledger_};
  }

  /// Fails the test unless all that was opened is wiped.
  void ExpectAllWiped() const;

 private:
  std::unique_ptr<Arena> arena_;
  weights::SealedModel model_;
  weights::Ledger ledger_;
  Threads threads_;
  std::vector<ArenaBlock> windows_;
  Resources resources_;
  NodeContext context_;
};

}  // namespace ephemeralml::engine::testing
