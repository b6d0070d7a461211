#include "client/doctor/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <fstream>
#include <set>

#include "client/doctor/child.h"
#include "client/doctor/protect.h"

namespace ephemeralml::doctor {
namespace {

namespace fs = std::filesystem;

class DoctorTest : public testing::Test {
 protected:
  DoctorTest() {
    std::string name = (fs::temp_directory_path() / "doctor.XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    places_ = {fs::path(name) / "proc", fs::path(name) / "sys"};
  }
  ~DoctorTest() override { fs::remove_all(places_.proc.parent_path()); }

  void Write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void WriteSwaps(const std::string& devices) {
    Write(places_.proc / "swaps", "Filename\tType\tSize\tUsed\tPriority\n" + devices);
  }

  Places places_;
};

TEST_F(DoctorTest, NamesEveryCheckOnceAndSaysWhatALackCosts) {
  std::set<std::string_view> names;
  for (const Check& check : Examine()) {
    EXPECT_TRUE(names.insert(check.name).second) << check.name;
    EXPECT_FALSE(check.found.empty()) << check.name;
    EXPECT_FALSE(check.facts.empty()) << check.name;
    EXPECT_EQ(check.verdict == Verdict::kOk, check.costs.empty()) << check.name;
    EXPECT_EQ(check.verdict == Verdict::kOk, check.remedy.empty()) << check.name;
  }
  EXPECT_THAT(names, testing::ElementsAre("clock", "core_dumps", "memory_lock", "processor", "swap",
                                          "system_call_filter", "tls_library"));
}

TEST_F(DoctorTest, SwapIsWellWhereThereIsNone) {
  WriteSwaps("");
  EXPECT_EQ(CheckSwap(places_).verdict, Verdict::kOk);
}

TEST_F(DoctorTest, SwapInTheClearIsALack) {
  WriteSwaps("/dev/sda2 partition 100 0 -2\n/swapfile file 100 0 -3\n");
  const Check check = CheckSwap(places_);
  EXPECT_EQ(check.verdict, Verdict::kWeaker);
  EXPECT_THAT(check.found, testing::HasSubstr("/dev/sda2, /swapfile"));
}

TEST_F(DoctorTest, SwapThatIsEncryptedOrInMemoryIsWell) {
  WriteSwaps("/dev/dm-1 partition 100 0 -2\n/dev/zram0 partition 100 0 -3\n");
  Write(places_.sys / "class/block/dm-1/dm/uuid", "CRYPT-PLAIN-swap\n");
  Write(places_.sys / "class/block/zram0/backing_dev", "none\n");
  EXPECT_EQ(CheckSwap(places_).verdict, Verdict::kOk);
  Write(places_.sys / "class/block/zram0/backing_dev", "/dev/sda3\n");
  EXPECT_EQ(CheckSwap(places_).verdict, Verdict::kWeaker);
  Write(places_.sys / "class/block/zram0/backing_dev", "none\n");
  Write(places_.sys / "class/block/dm-1/dm/uuid", "LVM-abc\n");
  EXPECT_EQ(CheckSwap(places_).verdict, Verdict::kWeaker);
}

TEST_F(DoctorTest, SwapThatTheControlGroupForbidsIsWell) {
  WriteSwaps("/dev/sda2 partition 100 0 -2\n");
  Write(places_.proc / "self/cgroup", "0::/a/b\n");
  Write(places_.sys / "fs/cgroup/a/b/memory.swap.max", "0\n");
  EXPECT_EQ(CheckSwap(places_).verdict, Verdict::kOk);
  Write(places_.sys / "fs/cgroup/a/b/memory.swap.max", "max\n");
  EXPECT_EQ(CheckSwap(places_).verdict, Verdict::kWeaker);
}

// This process hasn't given its cores up, and the check shows it; then it has.
TEST_F(DoctorTest, ACoreIsSeenUnlessTheProcessIsProtected) {
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_CORE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_CORE, &limit), 0);
  const Places system;
  const auto verdict_of = [&](bool is_protected) {
    const int status = StatusOfChild([&] {
      if (is_protected) ProtectProcess();
      return static_cast<int>(CheckCoreDumps(system).verdict);
    });
    return WIFEXITED(status) ? static_cast<Verdict>(WEXITSTATUS(status)) : Verdict::kUnfit;
  };
  EXPECT_EQ(verdict_of(true), Verdict::kOk);
  if (limit.rlim_max == 0) GTEST_SKIP() << "this system allows no cores";
  EXPECT_EQ(verdict_of(false), Verdict::kWeaker);
}

TEST_F(DoctorTest, TheFiltersTrialEndsAChildAlone) {
  EXPECT_EQ(CheckSystemCallFilter().verdict, Verdict::kOk);
}

}  // namespace
}  // namespace ephemeralml::doctor
