#include "client/verify/time.h"

#include <gtest/gtest.h>

namespace ephemeralml::verify {
namespace {

using std::chrono::milliseconds;

TEST(Time, ReadsWhatItWrites) {
  for (const int64_t ms : {int64_t{0}, int64_t{1665651482136}, int64_t{1709251199999}}) {
    const Time time = Time(milliseconds(ms));
    EXPECT_EQ(ParseTime(ToText(time)).value(), time);
  }
  EXPECT_EQ(ParseTime("2022-10-13T08:58:02Z").value(), Time(milliseconds(1665651482000)));
}

TEST(Time, RefusesEverythingElse) {
  for (const char* text :
       {"", "Z", "now", "2022-10-13", "2022-10-13T08:58:02", "2022-10-13 08:58:02Z",
        "2022-10-13T08:58:02+00:00", "2022-02-30T00:00:00Z", "2022-13-01T00:00:00Z",
        "2022-10-13T24:00:00Z", "2022-10-13T08:60:02Z", "2022-10-13T08:58:60Z",
        "2022-10-13T08:58:02.Z", "2022-10-13T08:58:02.1Z", "2022-10-13T08:58:02.1234Z",
        " 2022-10-13T08:58:02Z", "2022-10-13T08:58:02ZZ", "+022-10-13T08:58:02Z",
        "1665651482136"}) {
    EXPECT_FALSE(ParseTime(text)) << text;
  }
  EXPECT_EQ(ParseTime("now").error().reason, "time_malformed");
}

}  // namespace
}  // namespace ephemeralml::verify
