// The program itself, where it must do nothing: on a machine that it didn't boot. What it does as
// the first program is seen by scripts/test-production, in a machine of its own.

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

namespace {

struct Outcome {
  int status = -1;
  std::string output;
};

Outcome RunInit() {
  Outcome outcome;
  FILE* pipe = popen(EPHEMERAL_INIT_PROGRAM " 2>&1", "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 512> piece;
  while (fgets(piece.data(), piece.size(), pipe) != nullptr) outcome.output += piece.data();
  outcome.status = pclose(pipe);
  return outcome;
}

TEST(InitProgram, RefusesToRunWhereItIsNotTheFirst) {
  const Outcome outcome = RunInit();
  EXPECT_TRUE(WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 1) << outcome.status;
  EXPECT_EQ(
      outcome.output,
      "{\"level\":\"error\",\"role\":\"init\",\"event\":\"not_the_first_program\",\"errno\":1}\n");
}

}  // namespace
