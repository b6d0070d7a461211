#include "common/base/exit_status.h"

#include <gtest/gtest.h>

namespace ephemeralml {
namespace {

// Scripts of users hang on these.
TEST(ExitStatus, IsWhatTheDocumentationSays) {
  EXPECT_EQ(ExitStatus(Code::kInvalidArgument), 2);
  EXPECT_EQ(ExitStatus(Code::kMalformed), 3);
  EXPECT_EQ(ExitStatus(Code::kUnauthentic), 4);
  EXPECT_EQ(ExitStatus(Code::kUntrusted), 5);
  EXPECT_EQ(ExitStatus(Code::kUnsupported), 6);
  EXPECT_EQ(ExitStatus(Code::kOverLimit), 7);
  EXPECT_EQ(ExitStatus(Code::kNotFound), 8);
  EXPECT_EQ(ExitStatus(Code::kBusy), 9);
  EXPECT_EQ(ExitStatus(Code::kIo), 10);
  EXPECT_EQ(ExitStatus(Code::kInternal), 11);
}

}  // namespace
}  // namespace ephemeralml
