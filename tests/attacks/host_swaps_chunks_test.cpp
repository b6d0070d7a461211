// The host puts chunks that are authentic by themselves in other places.

#include <algorithm>

#include "tests/attacks/attacked.h"

namespace ephemeralml::attacks {
namespace {

MutableByteSpan ChunkOf(Bytes& blob, size_t index) {
  return MutableByteSpan(blob).subspan(index * SealedChunkBytes(), SealedChunkBytes());
}

class HostSwapsChunks : public testing::Test {
 protected:
  size_t last() const { return model_.chunk_count() - 1; }

  void ExpectRefused(ByteSpan blob) {
    attacked_.Serve(model_, blob);
    ExpectNothingComputed(session_.Ask(model_), "weights_unauthentic");
  }
  void TearDown() override {
    attacked_.Serve(model_, model_.sealed);
    attacked_.ExpectHealthy(model_);
  }

  Attacked attacked_;
  SmallModel model_ = attacked_.Make(1);
  BareSession session_{attacked_.system()};
};

TEST_F(HostSwapsChunks, TwoOfWeightsOfPaddingOrOneOfEach) {
  using Pair = std::pair<size_t, size_t>;
  for (const auto& [one, other] : {Pair(0, 1), Pair(2, kWeightChunks - 1), Pair(0, kWeightChunks),
                                   Pair(kWeightChunks, last()), Pair(0, last())}) {
    SCOPED_TRACE(std::to_string(one) + " and " + std::to_string(other));
    Bytes blob = model_.sealed;
    std::ranges::swap_ranges(ChunkOf(blob, one), ChunkOf(blob, other));
    ExpectRefused(blob);
  }
}

TEST_F(HostSwapsChunks, OneInTheOthersPlaceToo) {
  using Pair = std::pair<size_t, size_t>;
  for (const auto& [from, to] : {Pair(0, 1), Pair(1, 0), Pair(last(), kWeightChunks)}) {
    SCOPED_TRACE(std::to_string(from) + " over " + std::to_string(to));
    Bytes blob = model_.sealed;
    std::ranges::copy(model_.Chunk(from), ChunkOf(blob, to).begin());
    ExpectRefused(blob);
  }
}

TEST_F(HostSwapsChunks, AllOfThemByOnePlaceOrBackToFront) {
  Bytes blob = model_.sealed;
  std::rotate(blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(SealedChunkBytes()),
              blob.end());
  ExpectRefused(blob);
  for (size_t i = 0; i <= last(); ++i) {
    std::ranges::copy(model_.Chunk(last() - i), ChunkOf(blob, i).begin());
  }
  ExpectRefused(blob);
}

}  // namespace
}  // namespace ephemeralml::attacks
