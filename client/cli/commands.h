#pragma once
// The subcommands of `ephemeralml`. Each adds itself to the command line and says what to run.

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "common/base/result.h"

namespace ephemeralml::cli {

/// What a parsed command line asks for: set by the subcommand that was named.
using Action = std::function<Done()>;

void AddDecompose(CLI::App& app, Action& action);
void AddUpload(CLI::App& app, Action& action);
void AddDelete(CLI::App& app, Action& action);
void AddInfer(CLI::App& app, Action& action);
void AddAttest(CLI::App& app, Action& action);
void AddInspect(CLI::App& app, Action& action);
void AddPolicy(CLI::App& app, Action& action);
void AddKey(CLI::App& app, Action& action);
void AddKeyRotate(CLI::App& key, Action& action);
void AddDoctor(CLI::App& app, Action& action);

}  // namespace ephemeralml::cli
