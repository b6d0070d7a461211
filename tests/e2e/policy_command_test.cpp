// `ephemeralml policy` and `attest` as programs, against a running enclave.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/system.h"

namespace ephemeralml {
namespace {

using testing_support::Process;
using testing_support::System;

constexpr int64_t kTimeoutMs = 60'000;

struct Ran {
  int status = -1;
  std::string output;
};

std::string FileText(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class PolicyCommand : public testing::Test {
 protected:
  Ran Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(),
                     std::filesystem::path(EPHEMERAL_PROGRAMS_DIR) / "ephemeralml");
    const std::string log = "client." + std::to_string(++runs_) + ".log";
    Process process(arguments, system_.folder() / log);
    const int status = process.Wait(kTimeoutMs);
    CHECK(WIFEXITED(status));
    return {WEXITSTATUS(status), process.Log()};
  }
  Ran RunAtEnclave(std::vector<std::string> arguments) const {
    const std::string host = "127.0.0.1:" + std::to_string(system_.host_port());
    arguments.insert(arguments.end(), {"--host", host, "--root", Root()});
    return Run(std::move(arguments));
  }
  std::string Root() const { return system_.folder() / "enclave" / "root.pem"; }
  std::string In(const char* name) const { return system_.folder() / name; }
  static std::string Now() { return verify::ToText(verify::Now()); }

  mutable int runs_ = 0;
  System system_{{.enclave_arguments = {"--threads", "1"}}};
};

TEST_F(PolicyCommand, PinsARunningEnclaveSoThatAttestThenAcceptsIt) {
  const Ran pinned = RunAtEnclave({"policy", "pin", "--out", In("pinned.toml"), "--name", "mine"});
  ASSERT_EQ(pinned.status, 0) << pinned.output;
  EXPECT_NE(pinned.output.find("MOCK: no hardware protects this"), std::string::npos);
  EXPECT_NE(pinned.output.find("binding      passed"), std::string::npos) << pinned.output;
  EXPECT_NE(FileText(In("pinned.toml")).find("origin = 'observed'"), std::string::npos)
      << FileText(In("pinned.toml"));
  EXPECT_EQ(RunAtEnclave({"attest", "--policy", In("pinned.toml")}).status, 0);
  const Ran again = RunAtEnclave({"policy", "pin", "--out", In("pinned.toml")});
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.output.find("[policy_exists]"), std::string::npos) << again.output;
}

TEST_F(PolicyCommand, ChecksAStoredDocumentWithoutAConnection) {
  ASSERT_EQ(RunAtEnclave({"policy", "pin", "--out", In("pinned.toml")}).status, 0);
  ASSERT_EQ(
      RunAtEnclave({"attest", "--policy", In("pinned.toml"), "--save", In("document")}).status, 0);
  const std::vector<std::string> check = {"policy", "check",    In("document"),   "--root",
                                          Root(),   "--policy", In("pinned.toml")};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = check;
    all.insert(all.end(), more.begin(), more.end());
    return Run(all);
  };
  const Ran good = with({"--at", Now()});
  EXPECT_EQ(good.status, 0) << good.output;
  EXPECT_NE(good.output.find("binding      not checked"), std::string::npos) << good.output;
  const Ran late = with({"--at", "2049-01-01T00:00:00Z", "--json"});
  EXPECT_EQ(late.status, 5) << late.output;
  const size_t begin = late.output.find('{');
  const auto json =
      nlohmann::json::parse(late.output.substr(begin, late.output.rfind('}') + 1 - begin));
  EXPECT_EQ(json["reason"], "certificate_expired");
  EXPECT_EQ(with({"--at", Now(), "--nonce", std::string(64, '0')}).status, 5);
  EXPECT_EQ(with({"--at", "today"}).status, 2);
  EXPECT_EQ(with({"--at", Now(), "--nonce", "xyz"}).status, 3);
}

TEST_F(PolicyCommand, RefusesWithoutAPolicyOrWithAnEmptyOne) {
  std::ofstream(In("empty.toml")) << "";
  std::ofstream(In("document")) << "x";
  const Ran missing =
      Run({"policy", "check", In("document"), "--root", Root(), "--at", Now(), "--json"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_NE(missing.output.find("\"reason\": \"option_missing\""), std::string::npos)
      << missing.output;
  const Ran empty = Run({"policy", "check", In("document"), "--root", Root(), "--at", Now(),
                         "--policy", In("empty.toml")});
  EXPECT_EQ(empty.status, 2);
  EXPECT_NE(empty.output.find("[policy_empty]"), std::string::npos) << empty.output;
}

TEST_F(PolicyCommand, PinsNothingThatItCannotVerify) {
  const System other;
  const std::string host = "127.0.0.1:" + std::to_string(other.host_port());
  const Ran pinned =
      Run({"policy", "pin", "--out", In("pinned.toml"), "--host", host, "--root", Root()});
  EXPECT_EQ(pinned.status, 5);
  EXPECT_NE(pinned.output.find("[root_mismatch]"), std::string::npos) << pinned.output;
  EXPECT_FALSE(std::filesystem::exists(In("pinned.toml")));
}

}  // namespace
}  // namespace ephemeralml
