#include "common/base/settings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace ephemeralml {
namespace {

class Settings : public testing::Test {
 protected:
  Settings()
      : path_(std::filesystem::temp_directory_path() /
              ("settings_test." + std::to_string(getpid()) + ".toml")) {
    unsetenv("EPHEMERAL_HOST_PORT");
    app_.add_option("--port", port_)->envname("EPHEMERAL_HOST_PORT");
    app_.add_option("--blob-limit", limit_);
  }
  ~Settings() override {
    unsetenv("EPHEMERAL_HOST_PORT");
    unsetenv("EPHEMERAL_HOST_PROT");
    std::filesystem::remove(path_);
  }

  void WriteConfig(const std::string& text) { std::ofstream(path_) << text; }
  std::optional<int> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "program");
    return ParseSettings(app_, "host", static_cast<int>(arguments.size()), arguments.data());
  }

  std::filesystem::path path_;
  CLI::App app_{"program", "program"};
  int port_ = 1;
  int limit_ = 1;
};

TEST_F(Settings, FlagsBeatEnvironmentBeatsFileBeatsDefault) {
  WriteConfig("[host]\nport = 2\nblob_limit = 20\n");
  EXPECT_EQ(Parse({"--config", path_.c_str()}), std::nullopt);
  EXPECT_EQ(port_, 2);
  EXPECT_EQ(limit_, 20);
  setenv("EPHEMERAL_HOST_PORT", "3", 1);
  CLI::App second{"program", "program"};
  second.add_option("--port", port_)->envname("EPHEMERAL_HOST_PORT");
  second.add_option("--blob-limit", limit_);
  const std::vector<const char*> from_environment = {"program", "--config", path_.c_str()};
  EXPECT_EQ(ParseSettings(second, "host", 3, from_environment.data()), std::nullopt);
  EXPECT_EQ(port_, 3);
  CLI::App third{"program", "program"};
  third.add_option("--port", port_)->envname("EPHEMERAL_HOST_PORT");
  third.add_option("--blob-limit", limit_);
  const std::vector<const char*> from_flag = {"program", "--config", path_.c_str(), "--port", "4"};
  EXPECT_EQ(ParseSettings(third, "host", 5, from_flag.data()), std::nullopt);
  EXPECT_EQ(port_, 4);
}

TEST_F(Settings, RefusesUnknownKeysEverywhere) {
  WriteConfig("[host]\nprot = 2\n");
  EXPECT_EQ(Parse({"--config", path_.c_str()}), 2);
}

TEST_F(Settings, RefusesUnknownTables) {
  WriteConfig("[guest]\nport = 2\n");
  EXPECT_EQ(Parse({"--config", path_.c_str()}), 2);
}

TEST_F(Settings, RefusesUnknownFlags) { EXPECT_EQ(Parse({"--prot", "2"}), 2); }

TEST_F(Settings, RefusesUnknownVariables) {
  setenv("EPHEMERAL_HOST_PROT", "3", 1);
  EXPECT_EQ(Parse({}), 2);
}

TEST_F(Settings, LeavesOtherProgramsTablesAlone) {
  WriteConfig("[client]\nanything = 2\n");
  EXPECT_EQ(Parse({"--config", path_.c_str()}), std::nullopt);
}

TEST_F(Settings, AKeySpeaksForEverySubcommandThatHasIt) {
  WriteConfig("[host]\nretries = 7\n");
  int retries = 1;
  app_.add_subcommand("first")->add_option("--retries", retries);
  app_.add_subcommand("second");
  EXPECT_EQ(Parse({"--config", path_.c_str(), "first"}), std::nullopt);
  EXPECT_EQ(retries, 7);
}

TEST_F(Settings, RefusesValuesOfTheWrongType) {
  WriteConfig("[host]\nport = \"many\"\n");
  EXPECT_EQ(Parse({"--config", path_.c_str()}), 2);
}

}  // namespace
}  // namespace ephemeralml
