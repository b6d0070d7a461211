// The host alters what it stores. Every chunk's tag is checked before anything is computed, those
// of padding too: which chunks matter isn't the host's to find out.

#include <random>

#include "common/wire/blob_format.h"
#include "tests/attacks/attacked.h"

namespace ephemeralml::attacks {
namespace {

Bytes Flipped(const SmallModel& model, size_t bit) {
  Bytes bytes = model.sealed;
  bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  return bytes;
}

TEST(HostFlipsABitInTheBlob, InWhicheverChunkItIsRefused) {
  Attacked attacked;
  const SmallModel model = attacked.Make(1);
  BareSession session(attacked.system());
  std::mt19937_64 random(20240601);
  ASSERT_GT(model.chunk_count(), 2 * kWeightChunks);
  for (size_t chunk = 0; chunk < model.chunk_count(); ++chunk) {
    const size_t bit = chunk * SealedChunkBytes() * 8 + random() % (SealedChunkBytes() * 8);
    SCOPED_TRACE("bit " + std::to_string(bit) + " of chunk " + std::to_string(chunk));
    attacked.Serve(model, Flipped(model, bit));
    ExpectNothingComputed(session.Ask(model), "weights_unauthentic");
  }
  attacked.Serve(model, model.sealed);
  EXPECT_TRUE(session.Ask(model).has_outputs());
  attacked.ExpectHealthy(model);
}

TEST(HostFlipsABitInTheBlob, AtEitherEndOfACiphertextOrATagItIsRefused) {
  Attacked attacked;
  const SmallModel model = attacked.Make(1);
  session::Session session = attacked.Connect();
  for (const size_t chunk :
       {size_t{0}, kWeightChunks - 1, kWeightChunks, model.chunk_count() - 1}) {
    const size_t end = (chunk + 1) * SealedChunkBytes() * 8;
    const size_t tag = end - wire::kTagBytes * 8;
    for (const size_t bit : {chunk * SealedChunkBytes() * 8, tag - 1, tag, tag + 67, end - 1}) {
      attacked.Serve(model, Flipped(model, bit));
      EXPECT_EQ(Attacked::Ask(session, model), "weights_unauthentic") << bit;
    }
  }
  attacked.Serve(model, model.sealed);
  EXPECT_EQ(Attacked::Ask(session, model), "");
  attacked.ExpectHealthy(model);
}

}  // namespace
}  // namespace ephemeralml::attacks
