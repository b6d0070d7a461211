#include <fmt/format.h>

#include <memory>

#include "client/cli/commands.h"
#include "client/cli/options.h"

namespace ephemeralml::cli {

void AddKey(CLI::App& app, Action& action) {
  auto path = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("key", "Make files that open topology keys");
  command->require_subcommand(1);
  CLI::App* create =
      command->add_subcommand("new", "Write a new key file: 32 random bytes, mode 0600");
  create->add_option("FILE", *path, "Where to; never replaces a file")->required();
  create->callback([path, &action] {
    action = [path]() -> Done {
      TRY_OK(keys::CreateKeyFile(*path));
      fmt::print("wrote key file {}; whoever has it opens the topology keys sealed with it\n",
                 *path);
      return {};
    };
  });
}

}  // namespace ephemeralml::cli
