#include <fmt/format.h>

#include <memory>

#include "client/cli/commands.h"
#include "client/cli/options.h"

namespace ephemeralml::cli {
namespace {

struct Options {
  EnclaveOptions enclave;
  std::string save;
  bool json = false;
};

Done Attest(const Options& options) {
  TRY(const session::SessionSettings settings, options.enclave.connection.Get());
  TRY(const verify::Policy policy, options.enclave.policy.Get());
  TRY(const verify::TrustRoot root, options.enclave.root.Get());
  TRY(session::Presented presented, session::AskForEvidence(settings));
  if (!options.save.empty()) {
    TRY_OK(WriteFileAtomically(options.save, presented.evidence, 0644));
  }
  const auto examined = verify::Examine(presented.evidence, policy,
                                        session::ExpectationsFor(presented), root, verify::Now());
  fmt::print("{}\n", options.json ? examined.report.ToJson() : examined.report.ToText());
  if (!options.json) fmt::print("key exchange {}\n", presented.channel.KeyExchange());
  presented.channel.Close();
  if (!examined.result) return examined.result.error();
  return {};
}

}  // namespace

void AddAttest(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "attest",
      "Ask the enclave for evidence and show what each check found; sends nothing secret");
  options->enclave.AddTo(*command);
  command->add_option("--save", options->save, "Write the evidence to this file")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print the verdicts as JSON");
  command->callback([options, &action] { action = [options] { return Attest(*options); }; });
}

}  // namespace ephemeralml::cli
