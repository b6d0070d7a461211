#include "common/net/address.h"

#include <gtest/gtest.h>

namespace ephemeralml::net {
namespace {

TEST(Address, ReadsTheFormsThatPeopleWrite) {
  EXPECT_EQ(Address::Parse("127.0.0.1:8081").value().port, 8081);
  EXPECT_EQ(Address::Parse("tcp://models.example:80").value().host, "models.example");
  EXPECT_EQ(Address::Parse("[::1]:9").value().host, "::1");
  EXPECT_EQ(Address::Parse("[::1]:9").value().Authority(), "[::1]:9");
}

TEST(Address, RefusesEverythingElse) {
  for (const char* text : {"", ":", "host", "host:", ":80", "host:65536", "host:-1", "host:80x",
                           "ho st:80", "::1:80", "http://host:80", "host\r\nX: y:80"}) {
    EXPECT_EQ(Address::Parse(text).error().reason, "address_malformed") << text;
  }
}

}  // namespace
}  // namespace ephemeralml::net
