#include "common/base/settings.h"

#include <unistd.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace ephemeralml {
namespace {

constexpr size_t kLargestFileBytes = 1 << 20;
constexpr std::array<std::string_view, 3> kTables = {"client", "enclave", "host"};

// Every variable that any of the programs or their tests reads, sorted.
constexpr std::array<std::string_view, 16> kVariables = {
    "EPHEMERAL_CLIENT_PORT",     "EPHEMERAL_CONFIG",
    "EPHEMERAL_ENCLAVE_ADDRESS", "EPHEMERAL_ENCLAVE_LISTEN",
    "EPHEMERAL_ENCLAVE_NAME",    "EPHEMERAL_ENCLAVE_PORT",
    "EPHEMERAL_HOST_ADDRESS",    "EPHEMERAL_HOST_LISTEN",
    "EPHEMERAL_HOST_PORT",       "EPHEMERAL_LOG",
    "EPHEMERAL_MOCK_MODE",       "EPHEMERAL_MODELS",
    "EPHEMERAL_STATE",           "EPHEMERAL_TEST_PRODUCTION",
    "EPHEMERAL_TOKEN_FILE",      "EPHEMERAL_VECTORS"};
static_assert(std::ranges::is_sorted(kVariables));

Error BadSetting(const std::string& what) {
  return {Code::kInvalidArgument, "setting_invalid", what};
}

Done RefuseUnknownVariables() {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable =
        std::string_view(*entry).substr(0, std::string_view(*entry).find('='));
    if (!variable.starts_with("EPHEMERAL_") || std::ranges::binary_search(kVariables, variable))
      continue;
    return BadSetting("unknown environment variable " + std::string(variable));
  }
  return {};
}

// The file must be known before the flags are parsed, for its values are what flags fall back to.
std::string FindConfigFile(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--config" && i + 1 < argc) return argv[i + 1];
    if (argument.starts_with("--config=")) return std::string(argument.substr(9));
  }
  const char* variable = std::getenv("EPHEMERAL_CONFIG");
  return variable == nullptr ? "" : variable;
}

std::string ValueText(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  std::ostringstream text;
  if (const auto* value = node.as_integer()) text << value->get();
  if (const auto* value = node.as_floating_point()) text << value->get();
  if (const auto* value = node.as_boolean()) text << (value->get() ? "true" : "false");
  return text.str();
}

// The options of this name, of the program and of its subcommands: a key speaks for all of them.
std::vector<CLI::Option*> OptionsNamed(CLI::App& app, const std::string& flag) {
  std::vector<CLI::Option*> found;
  if (CLI::Option* option = app.get_option_no_throw(flag)) found.push_back(option);
  for (CLI::App* subcommand : app.get_subcommands({})) {
    const std::vector<CLI::Option*> inner = OptionsNamed(*subcommand, flag);
    found.insert(found.end(), inner.begin(), inner.end());
  }
  return found;
}

Done ApplyKey(CLI::App& app, const std::string& key, const toml::node& node) {
  std::string flag = "--" + key;
  std::ranges::replace(flag, '_', '-');
  const std::vector<CLI::Option*> options = OptionsNamed(app, flag);
  if (options.empty() || key == "config") return BadSetting("unknown key '" + key + "'");
  const std::string value = ValueText(node);
  if (value.empty()) return BadSetting("key '" + key + "' must be a string, a number or a boolean");
  try {
    for (CLI::Option* option : options) option->default_val(value);
  } catch (const CLI::Error& error) {
    return BadSetting("key '" + key + "': " + error.what());
  }
  return {};
}

Done ApplyFile(CLI::App& app, std::string_view table, const std::string& path) {
  TRY(const Bytes contents, ReadFile(path, kLargestFileBytes));
  toml::table file;
  try {
    file = toml::parse(AsText(contents), path);
  } catch (const toml::parse_error& error) {
    return BadSetting(path + ": " + std::string(error.description()));
  }
  for (const auto& [name, node] : file) {
    if (std::ranges::find(kTables, name.str()) == kTables.end() || !node.is_table()) {
      return BadSetting(path +
                        ": expected only the tables [client], [enclave] and [host], found '" +
                        std::string(name.str()) + "'");
    }
    if (name.str() != table) continue;
    for (const auto& [key, value] : *node.as_table()) {
      if (Done applied = ApplyKey(app, std::string(key.str()), value); !applied) {
        return BadSetting(path + ", [" + std::string(table) + "]: " + applied.error().what);
      }
    }
  }
  return {};
}

}  // namespace

std::optional<int> ParseSettings(CLI::App& app, std::string_view table, int argc,
                                 const char* const* argv) {
  std::string config;
  app.add_option("--config", config, "TOML file with a [" + std::string(table) + "] table")
      ->envname("EPHEMERAL_CONFIG")
      ->type_name("FILE");
  Done prepared = RefuseUnknownVariables();
  const std::string path = FindConfigFile(argc, argv);
  if (prepared && !path.empty()) prepared = ApplyFile(app, table, path);
  if (!prepared) {
    std::cerr << app.get_name() << ": " << prepared.error().what << " [" << prepared.error().reason
              << "]\n";
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }
  return std::nullopt;
}

}  // namespace ephemeralml
