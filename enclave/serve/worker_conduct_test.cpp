#include "enclave/serve/worker_conduct.h"

#include <gtest/gtest.h>

namespace ephemeralml::serve {
namespace {

WorkerConduct Serving() {
  WorkerConduct conduct;
  CHECK(conduct.Take(ControlKind::kReady).has_value());
  conduct.GaveConnection();
  return conduct;
}

TEST(WorkerConduct, GetsOneDocument) {
  WorkerConduct conduct = Serving();
  EXPECT_TRUE(conduct.Take(ControlKind::kAttest));
  EXPECT_EQ(conduct.Take(ControlKind::kAttest).error().reason, "worker_broke_protocol");
}

TEST(WorkerConduct, GetsNoDocumentAfterItOrderedABlob) {
  WorkerConduct conduct = Serving();
  EXPECT_TRUE(conduct.Take(ControlKind::kFetch));
  EXPECT_EQ(conduct.Take(ControlKind::kAttest).error().reason, "worker_broke_protocol");
  conduct.GaveBlob();
  EXPECT_EQ(conduct.Take(ControlKind::kAttest).error().reason, "worker_broke_protocol");
}

TEST(WorkerConduct, GetsNothingBeforeItHasAConnection) {
  for (const ControlKind kind :
       {ControlKind::kAttest, ControlKind::kFetch, ControlKind::kDropBlob}) {
    WorkerConduct starting;
    EXPECT_FALSE(starting.Take(kind));
    WorkerConduct spare;
    ASSERT_TRUE(spare.Take(ControlKind::kReady));
    EXPECT_FALSE(spare.Take(kind));
  }
}

TEST(WorkerConduct, IsReadyOnce) {
  WorkerConduct conduct;
  EXPECT_EQ(conduct.state(), WorkerState::kStarting);
  ASSERT_TRUE(conduct.Take(ControlKind::kReady));
  EXPECT_EQ(conduct.state(), WorkerState::kSpare);
  EXPECT_FALSE(conduct.Take(ControlKind::kReady));
  EXPECT_FALSE(Serving().Take(ControlKind::kReady));
}

TEST(WorkerConduct, OrdersOneBlobAtATime) {
  WorkerConduct conduct = Serving();
  ASSERT_TRUE(conduct.Take(ControlKind::kFetch));
  EXPECT_TRUE(conduct.waits_for_blob());
  EXPECT_FALSE(conduct.Take(ControlKind::kFetch));
  conduct.GaveBlob();
  EXPECT_FALSE(conduct.waits_for_blob());
  EXPECT_TRUE(conduct.Take(ControlKind::kFetch));
}

TEST(WorkerConduct, DropsOnlyABlobThatItWasGiven) {
  WorkerConduct conduct = Serving();
  EXPECT_FALSE(conduct.Take(ControlKind::kDropBlob));
  ASSERT_TRUE(conduct.Take(ControlKind::kFetch));
  EXPECT_FALSE(conduct.Take(ControlKind::kDropBlob));
  conduct.GaveBlob();
  EXPECT_TRUE(conduct.Take(ControlKind::kDropBlob));
}

TEST(WorkerConduct, MaySendNothingThatIsForOthers) {
  for (const uint32_t number : {0U, 1U, 3U, 5U, 7U, 9U, 0xFFFFFFFFU}) {
    EXPECT_FALSE(Serving().Take(static_cast<ControlKind>(number))) << number;
  }
}

}  // namespace
}  // namespace ephemeralml::serve
