// ephemeralml: the model owner's client.

#include <CLI/CLI.hpp>
#include <iostream>

#include "client/cli/commands.h"
#include "client/doctor/protect.h"
#include "common/base/exit_status.h"
#include "common/base/settings.h"
#include "common/wire/message_library.h"

namespace {

using namespace ephemeralml;

int Run(int argc, char** argv) {
  doctor::ProtectProcess();
  CLI::App app("Confidential inference: splits ONNX models, keeps the key, asks attested enclaves.",
               "ephemeralml");
  app.set_version_flag("--version", EPHEMERAL_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // --config may come after the subcommand
  cli::Action action;
  cli::AddDecompose(app, action);
  cli::AddUpload(app, action);
  cli::AddDelete(app, action);
  cli::AddInfer(app, action);
  cli::AddAttest(app, action);
  cli::AddInspect(app, action);
  cli::AddPolicy(app, action);
  cli::AddKey(app, action);
  cli::AddDoctor(app, action);
  if (const auto status = ParseSettings(app, "client", argc, argv)) return *status;
  wire::SilenceMessageLibrary();
  const Done done = action();
  if (done) return 0;
  std::cerr << "ephemeralml: " << done.error().what << " [" << done.error().reason << "]\n";
  return ExitStatus(done.error().code);
}

}  // namespace

int main(int argc, char** argv) { return Run(argc, argv); }
