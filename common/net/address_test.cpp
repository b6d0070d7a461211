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

TEST(Address, ReadsContextsOfVirtualMachines) {
  const Address parent = Address::Parse("vsock://3:8081").value();
  EXPECT_EQ(parent.context, ContextId{3});
  EXPECT_EQ(parent.port, 8081U);
  EXPECT_EQ(parent.host, "");
  EXPECT_EQ(parent.Authority(), "3:8081");
  EXPECT_EQ(Address::Parse("vsock://any:70000")->context, kAnyContext);
  EXPECT_EQ(Address::Parse("vsock://any:70000")->port, 70000U);
}

TEST(Address, IsWrittenAsItIsRead) {
  for (const char* text :
       {"tcp://127.0.0.1:1", "tcp://[::1]:9", "vsock://3:8081", "vsock://any:5"}) {
    EXPECT_EQ(Address::Parse(text)->Url(), text);
  }
}

TEST(Address, RefusesEverythingElse) {
  for (const char* text : {"",
                           ":",
                           "host",
                           "host:",
                           ":80",
                           "host:65536",
                           "host:-1",
                           "host:80x",
                           "ho st:80",
                           "::1:80",
                           "http://host:80",
                           "host\r\nX: y:80",
                           "vsock://:80",
                           "vsock://3",
                           "vsock://host:80",
                           "vsock://-1:80",
                           "vsock://4294967295:80",
                           "vsock://3:4294967295",
                           "vsock://3:4294967296",
                           "vsock://3 :80",
                           "vsock://[3]:80",
                           "any:any",
                           "tcp://vsock://3:80",
                           "vsock://tcp://h:80",
                           "VSOCK://3:80"}) {
    EXPECT_EQ(Address::Parse(text).error().reason, "address_malformed") << text;
  }
}

}  // namespace
}  // namespace ephemeralml::net
