#pragma once
// Settings from three places: flags beat the environment, which beats a TOML file. An unknown key
// in any of the three is an error, so that a misspelt setting is never silently ignored.

#include <CLI/CLI.hpp>
#include <optional>
#include <string_view>

namespace ephemeralml {

/// Parses a program's command line into the variables bound to `app`'s options.
/// Adds `--config FILE` (or EPHEMERAL_CONFIG): a TOML file with one table a program ([client],
/// [host], [enclave]); `table` names this program's. A key is an option's long name with '_' for
/// '-'. Returns the exit status if the program is to end here (help was printed, or an error was).
std::optional<int> ParseSettings(CLI::App& app, std::string_view table, int argc,
                                 const char* const* argv);

}  // namespace ephemeralml
