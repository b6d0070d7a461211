// The host serves, under the id that is asked for, a blob that was sealed for another model.

#include <algorithm>

#include "tests/attacks/attacked.h"

namespace ephemeralml::attacks {
namespace {

class HostServesAnotherModelsBlob : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(model_.sealed.size(), other_.sealed.size()); }
  // The other model's chunks [begin, end), and this one's around them.
  Bytes Mixed(size_t begin, size_t end) const {
    Bytes blob = model_.sealed;
    const auto first = static_cast<std::ptrdiff_t>(begin * SealedChunkBytes());
    const auto last = static_cast<std::ptrdiff_t>(end * SealedChunkBytes());
    std::copy(other_.sealed.begin() + first, other_.sealed.begin() + last, blob.begin() + first);
    return blob;
  }
  void TearDown() override {
    attacked_.Serve(model_, model_.sealed);
    attacked_.ExpectHealthy(model_);
    attacked_.ExpectHealthy(other_);
  }

  Attacked attacked_;
  SmallModel model_ = attacked_.Make(1);
  SmallModel other_ = attacked_.Make(2);
};

TEST_F(HostServesAnotherModelsBlob, Whole) {
  attacked_.Serve(model_, other_.sealed);
  BareSession bare(attacked_.system());
  ExpectNothingComputed(bare.Ask(model_), "weights_unauthentic");
  session::Session session = attacked_.Connect();
  EXPECT_EQ(Attacked::Ask(session, model_), "weights_unauthentic");
  EXPECT_EQ(Attacked::Ask(session, other_), "");
}

TEST_F(HostServesAnotherModelsBlob, InPart) {
  using Pair = std::pair<size_t, size_t>;
  BareSession session(attacked_.system());
  const size_t all = model_.chunk_count();
  for (const auto& [begin, end] :
       {Pair(0, 1), Pair(kWeightChunks - 1, kWeightChunks), Pair(kWeightChunks, all),
        Pair(all - 1, all), Pair(0, all / 2)}) {
    SCOPED_TRACE(std::to_string(begin) + " to " + std::to_string(end));
    attacked_.Serve(model_, Mixed(begin, end));
    ExpectNothingComputed(session.Ask(model_), "weights_unauthentic");
  }
}

}  // namespace
}  // namespace ephemeralml::attacks
