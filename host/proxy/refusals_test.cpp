#include "host/proxy/refusals.h"

#include <gtest/gtest.h>

namespace ephemeralml::proxy {
namespace {

TEST(Refusals, AreFoundByTheirReason) {
  EXPECT_EQ(FindRefusal("blob_conflict").status, 409U);
  EXPECT_EQ(FindRefusal("tunnel_target_forbidden").status, 403U);
  EXPECT_EQ(FindRefusal("disk_full").reason, "disk_full");
}

TEST(Refusals, HideReasonsThatAreNotThePeers) {
  for (const std::string_view reason : {"", "file_unreadable", "a", "zzz"}) {
    EXPECT_EQ(FindRefusal(reason).reason, "internal");
    EXPECT_EQ(FindRefusal(reason).status, 500U);
  }
}

TEST(Refusals, AreJson) {
  EXPECT_EQ(FindRefusal("blob_not_found").Json(),
            "{\"error\":{\"reason\":\"blob_not_found\","
            "\"message\":\"no blob has this id; upload it first\"}}\n");
}

}  // namespace
}  // namespace ephemeralml::proxy
