// `ephemeralml doctor` on a machine from which something was taken: it must see it, by trying.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/process.h"

namespace ephemeralml {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTimeoutMs = 60'000;

struct Diagnosis {
  int exit_status = -1;
  std::string errors;
  nlohmann::json json;

  const nlohmann::json& Of(const std::string& name) const {
    for (const auto& check : json.at("checks")) {
      if (check.at("name") == name) return check;
    }
    ADD_FAILURE() << "no check " << name;
    return json;
  }
  std::string Verdict(const std::string& name) const { return Of(name).at("verdict"); }
  bool HasVerdict(const std::string& verdict) const {
    for (const auto& check : json.at("checks")) {
      if (check.at("verdict") == verdict) return true;
    }
    return false;
  }
};

class Doctor : public testing::Test {
 protected:
  // Runs it by a shell that first takes something away; `$DOCTOR` stands for the command.
  Diagnosis Run(const std::string& script) {
    const fs::path out = folder_.path() / "out";
    const std::string client = fs::path(EPHEMERAL_PROGRAMS_DIR) / "ephemeralml";
    testing_support::Process shell({"/bin/bash", "-c", script + " $DOCTOR >" + out.string()},
                                   folder_.path() / "log", {{"DOCTOR", client + " doctor --json"}});
    const int status = shell.Wait(kTimeoutMs);
    Diagnosis found;
    found.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    found.errors = shell.Log();
    std::ifstream file(out);
    found.json = nlohmann::json::parse(file, nullptr, false);
    EXPECT_TRUE(found.json.is_object()) << found.errors;
    return found;
  }

  testing_support::TemporaryFolder folder_;
};

TEST_F(Doctor, ExitsAsItsVerdictsSay) {
  const Diagnosis found = Run("exec");
  if (found.HasVerdict("unfit")) {
    EXPECT_EQ(found.exit_status, 6);
    EXPECT_THAT(found.errors, testing::HasSubstr("[machine_unfit]"));
  } else if (found.HasVerdict("weaker")) {
    EXPECT_EQ(found.exit_status, 6);
    EXPECT_THAT(found.errors, testing::HasSubstr("[machine_weaker]"));
  } else {
    EXPECT_EQ(found.exit_status, 0);
  }
  EXPECT_EQ(found.Verdict("core_dumps"), "ok");
  EXPECT_EQ(found.Verdict("system_call_filter"), "ok");
}

// Root may lock memory whatever the limit is; the privilege is taken away too.
TEST_F(Doctor, SeesThatNoMemoryCanBeLocked) {
  const std::string unprivileged =
      geteuid() == 0 ? "exec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock" : "exec";
  const Diagnosis none = Run("ulimit -l 0; " + unprivileged);
  EXPECT_EQ(none.Verdict("memory_lock"), "weaker");
  EXPECT_EQ(none.Of("memory_lock").at("facts").at("locked_bytes"), 0);
  EXPECT_EQ(none.Of("memory_lock").at("facts").at("limit_bytes"), 0);
  EXPECT_EQ(none.exit_status, 6);
  const Diagnosis little = Run("ulimit -l 64; " + unprivileged);
  EXPECT_EQ(little.Verdict("memory_lock"), "weaker");
  const int64_t locked = little.Of("memory_lock").at("facts").at("locked_bytes");
  EXPECT_GT(locked, 0);
  EXPECT_LE(locked, 64 << 10);
}

TEST_F(Doctor, LeavesNoCoreWhateverTheLimit) {
  const Diagnosis found =
      Run("ulimit -c $(ulimit -H -c); cd " + folder_.path().string() + "; exec");
  EXPECT_EQ(found.Verdict("core_dumps"), "ok");
  EXPECT_EQ(found.Of("core_dumps").at("facts").at("dumped"), false);
  EXPECT_NE(found.Of("core_dumps").at("facts").at("limit_bytes"), 0);
}

TEST_F(Doctor, SeesThatTheKernelTakesNoFilter) {
  // As a container's profile does that forbids the call.
  std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ALLOW),
                                                           &seccomp_release);
  ASSERT_NE(filter, nullptr);
  ASSERT_EQ(seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0), 0);
  const fs::path out = folder_.path() / "out";
  const std::string client = fs::path(EPHEMERAL_PROGRAMS_DIR) / "ephemeralml";
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open(out.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || seccomp_load(filter.get()) != 0) _exit(126);
    execl(client.c_str(), client.c_str(), "doctor", "--json", nullptr);
    _exit(127);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 6);
  std::ifstream file(out);
  const Diagnosis found{.exit_status = 6, .errors = {}, .json = nlohmann::json::parse(file)};
  EXPECT_EQ(found.Verdict("system_call_filter"), "unfit");
}

TEST_F(Doctor, TellsTheProcessorsFeaturesAsTheKernelDoes) {
  const Diagnosis found = Run("exec");
  std::ifstream file("/proc/cpuinfo");
  std::string flags;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("flags")) flags = line + " ";
  }
  const auto& facts = found.Of("processor").at("facts");
  for (const auto& [name, flag] : std::map<std::string, std::string>{{"aes", "aes"},
                                                                     {"avx2", "avx2"},
                                                                     {"vaes", "vaes"},
                                                                     {"avx512", "avx512bw"},
                                                                     {"avx512_bf16", "avx512_bf16"},
                                                                     {"amx_bf16", "amx_bf16"}}) {
    EXPECT_EQ(facts.at(name).get<bool>(), flags.find(" " + flag + " ") != std::string::npos)
        << name;
  }
  EXPECT_GT(facts.at("opened_bytes_per_second").get<int64_t>(), 1'000'000);
}

}  // namespace
}  // namespace ephemeralml
