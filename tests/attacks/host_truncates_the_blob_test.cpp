// The host has less of the blob than the topology key says, or sends less than it says it has.

#include <algorithm>
#include <filesystem>

#include "tests/attacks/attacked.h"

namespace ephemeralml::attacks {
namespace {

using testing_support::Direction;
using testing_support::Passed;

TEST(HostTruncatesTheBlob, AtWhateverLengthItIsIncomplete) {
  Attacked attacked;
  const SmallModel model = attacked.Make(1);
  BareSession session(attacked.system());
  const size_t all = model.sealed.size();
  for (const size_t length :
       {size_t{0}, size_t{1}, SealedChunkBytes(), all / 2, all - SealedChunkBytes(), all - 1}) {
    SCOPED_TRACE(length);
    attacked.Serve(model, ByteSpan(model.sealed).first(length));
    ExpectNothingComputed(session.Ask(model), "blob_incomplete");
  }
  attacked.Serve(model, model.sealed);
  attacked.ExpectHealthy(model);
}

TEST(HostTruncatesTheBlob, OrLengthensIt) {
  Attacked attacked;
  const SmallModel model = attacked.Make(1);
  BareSession session(attacked.system());
  for (const size_t more : {size_t{1}, SealedChunkBytes()}) {
    Bytes blob = model.sealed;
    blob.resize(blob.size() + more);
    attacked.Serve(model, blob);
    ExpectNothingComputed(session.Ask(model), "blob_incomplete");
  }
  attacked.Serve(model, model.sealed);
  attacked.ExpectHealthy(model);
}

TEST(HostTruncatesTheBlob, OrHasLostIt) {
  Attacked attacked;
  const SmallModel model = attacked.Make(1);
  std::filesystem::remove(attacked.FileOf(model));
  BareSession bare(attacked.system());
  ExpectNothingComputed(bare.Ask(model), "blob_incomplete");
  session::Session session = attacked.Connect();
  EXPECT_EQ(Attacked::Ask(session, model), "blob_incomplete");
  attacked.system().Upload(model.split);
  EXPECT_EQ(Attacked::Ask(session, model), "");
  attacked.ExpectHealthy(model);
}

TEST(HostTruncatesTheBlob, ByCuttingTheConnectionInMidBody) {
  testing_support::Proxy fetch;
  Attacked attacked(ThroughFetch(fetch));
  fetch.SetTarget(attacked.system().host_port());
  const SmallModel model = attacked.Make(1);
  BareSession session(attacked.system());
  constexpr size_t kLongestHead = 1024;
  for (const size_t most : {kLongestHead, kLongestHead + SealedChunkBytes(),
                            model.sealed.size() / 2, model.sealed.size() - 1}) {
    SCOPED_TRACE(most);
    fetch.SetAttack([most] {
      return [passed = size_t{0}, most](Direction direction, Bytes bytes) mutable {
        if (direction == Direction::kToTarget) return Passed{std::move(bytes)};
        bytes.resize(std::min(bytes.size(), most - passed));
        passed += bytes.size();
        return Passed{std::move(bytes), passed == most};
      };
    });
    ExpectNothingComputed(session.Ask(model), "blob_incomplete");
  }
  fetch.SetAttack({});
  EXPECT_TRUE(session.Ask(model).has_outputs());
  attacked.ExpectHealthy(model);
}

}  // namespace
}  // namespace ephemeralml::attacks
