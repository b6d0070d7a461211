#include "common/wire/wiped_secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "common/wire/topology.pb.h"

namespace ephemeralml::wire {
namespace {

// What its buffer holds, beyond the string's end too, while the message still owns it.
bool IsWiped(const Topology& topology) {
  const std::string& secret = topology.blob().secret();
  return secret.empty() && secret.capacity() >= 32 &&
         std::all_of(secret.data(), secret.data() + 32, [](char c) { return c == 0; });
}

TEST(WipedSecret, WipesWhatWasSet) {
  Topology topology;
  {
    const WipedSecret wiped(topology);
    topology.mutable_blob()->set_secret(std::string(32, 's'));
    EXPECT_FALSE(IsWiped(topology));
  }
  EXPECT_TRUE(IsWiped(topology));
}

TEST(WipedSecret, WipesWhatWasParsedBeforeTheMessageBroke) {
  Topology whole;
  whole.mutable_blob()->set_secret(std::string(32, 's'));
  const std::string broken = whole.SerializeAsString() + "\xff";
  Topology topology;
  {
    const WipedSecret wiped(topology);
    EXPECT_FALSE(topology.ParseFromString(broken));
    EXPECT_EQ(topology.blob().secret(), std::string(32, 's'));
  }
  EXPECT_TRUE(IsWiped(topology));
}

TEST(WipedSecret, AddsNothingToATopologyWithoutABlob) {
  Topology topology;
  { const WipedSecret wiped(topology); }
  EXPECT_FALSE(topology.has_blob());
}

}  // namespace
}  // namespace ephemeralml::wire
