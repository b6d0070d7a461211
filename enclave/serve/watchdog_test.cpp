#include "enclave/serve/watchdog.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace ephemeralml::serve {
namespace {

using std::chrono::milliseconds;

constexpr int kExpired = 7;

TEST(Watchdog, ActsAtItsDeadlineWhateverTheOthersDo) {
  EXPECT_EXIT(
      {
        Watchdog watchdog;
        watchdog.Arm(Watchdog::Clock::now() + milliseconds(50), [] { _exit(kExpired); });
        for (volatile bool forever = true; forever;) continue;
      },
      testing::ExitedWithCode(kExpired), "");
}

TEST(Watchdog, LetsNobodyDisarmItWhileItActs) {
  EXPECT_EXIT(
      {
        Watchdog watchdog;
        watchdog.Arm(Watchdog::Clock::now(), [] {
          std::this_thread::sleep_for(milliseconds(100));
          _exit(kExpired);
        });
        std::this_thread::sleep_for(milliseconds(50));
        watchdog.Disarm();
        _exit(0);
      },
      testing::ExitedWithCode(kExpired), "");
}

TEST(Watchdog, RestsWhenItIsDisarmedInTime) {
  Watchdog watchdog;
  bool acted = false;
  for (int i = 0; i < 3; ++i) {
    watchdog.Arm(Watchdog::Clock::now() + milliseconds(40), [&] { acted = true; });
    watchdog.Disarm();
    std::this_thread::sleep_for(milliseconds(80));
  }
  EXPECT_FALSE(acted);
}

TEST(Watchdog, KeepsANewDeadlineThatIsEarlierThanTheLast) {
  EXPECT_EXIT(
      {
        Watchdog watchdog;
        watchdog.Arm(Watchdog::Clock::now() + std::chrono::hours(1), [] { _exit(0); });
        std::this_thread::sleep_for(milliseconds(20));
        watchdog.Disarm();
        watchdog.Arm(Watchdog::Clock::now() + milliseconds(20), [] { _exit(kExpired); });
        std::this_thread::sleep_for(std::chrono::seconds(10));
      },
      testing::ExitedWithCode(kExpired), "");
}

}  // namespace
}  // namespace ephemeralml::serve
