// The host rolls a model back: it serves what it got when the same model was decomposed before.

#include <algorithm>

#include "tests/attacks/attacked.h"

namespace ephemeralml::attacks {
namespace {

class HostServesAnOlderBlob : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(older_.sealed.size(), newer_.sealed.size()); }
  void TearDown() override {
    attacked_.Serve(newer_, newer_.sealed);
    attacked_.ExpectHealthy(newer_);
  }

  Attacked attacked_;
  SmallModel older_ = attacked_.Make(1);
  SmallModel newer_ = attacked_.Make(1);
};

TEST_F(HostServesAnOlderBlob, UnderTheNewId) {
  session::Session session = attacked_.Connect();
  EXPECT_EQ(Attacked::Ask(session, older_), "");
  attacked_.Serve(newer_, older_.sealed);
  EXPECT_EQ(Attacked::Ask(session, newer_), "weights_unauthentic");
  BareSession bare(attacked_.system());
  ExpectNothingComputed(bare.Ask(newer_), "weights_unauthentic");
}

// The plaintexts are equal: only key, id and tag tell the two apart.
TEST_F(HostServesAnOlderBlob, OneChunkOfIt) {
  BareSession session(attacked_.system());
  for (const size_t chunk : {size_t{0}, kWeightChunks, newer_.chunk_count() - 1}) {
    Bytes blob = newer_.sealed;
    const auto at = blob.begin() + static_cast<std::ptrdiff_t>(chunk * SealedChunkBytes());
    std::ranges::copy(older_.Chunk(chunk), at);
    attacked_.Serve(newer_, blob);
    ExpectNothingComputed(session.Ask(newer_), "weights_unauthentic");
  }
}

}  // namespace
}  // namespace ephemeralml::attacks
