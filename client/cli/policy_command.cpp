#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"
#include "client/cli/options.h"
#include "common/base/file.h"

namespace ephemeralml::cli {
namespace {

constexpr size_t kLargestDocumentBytes = 1 << 20;

struct PinOptions {
  ConnectionOptions connection;
  RootOptions root;
  std::string out;
  std::string name;
  bool json = false;
};

struct CheckOptions {
  PolicyOptions policy;
  RootOptions root;
  std::string document;
  std::string at;
  std::string nonce;
  bool json = false;
};

void Print(const verify::Report& report, bool json) {
  fmt::print("{}\n", json ? report.ToJson() : report.ToText());
}

// Whoever reads JSON finds the same reason there, also if nothing came to be judged.
Error Explain(Error error, bool json) {
  if (json) {
    const nlohmann::ordered_json object = {
        {"accepted", false}, {"reason", error.reason}, {"detail", error.what}};
    fmt::print("{}\n", object.dump(2));
  }
  return error;
}

Result<verify::Outcome<verify::ObservedEnclave>> Look(const PinOptions& options) {
  if (std::filesystem::exists(options.out)) {
    return Error{Code::kInvalidArgument, "policy_exists",
                 options.out + " exists; choose another name, and add its set by hand"};
  }
  TRY(const session::SessionSettings settings, options.connection.Get());
  TRY(const verify::TrustRoot root, options.root.Get());
  TRY(session::Presented presented, session::AskForEvidence(settings));
  auto outcome =
      verify::Observe(presented.evidence, session::ExpectationsFor(presented), root, verify::Now());
  presented.channel.Close();
  return outcome;
}

Done Pin(const PinOptions& options) {
  auto looked = Look(options);
  if (!looked) return Explain(std::move(looked).error(), options.json);
  Print(looked->report, options.json);
  TRY(verify::ObservedEnclave observed, std::move(looked->result));
  if (!options.name.empty()) observed.measurements.name = options.name;
  const std::string text = "# Observed on a running enclave, not computed from an image.\n" +
                           verify::ToToml(observed.measurements);
  TRY(const verify::Policy policy, verify::Policy::Parse(text, verify::TrustOnFirstUse::kAllowed));
  TRY_OK(WriteFileAtomically(options.out, AsBytes(text), 0644));
  if (!options.json) {
    fmt::print(
        "wrote {}: set '{}', trusted because it was seen; compute it from the image if you can\n",
        options.out, policy.measurements().front().name);
  }
  return {};
}

Result<verify::Outcome<verify::CheckedDocument>> Judge(const CheckOptions& options) {
  TRY(const verify::Policy policy, options.policy.Get());
  TRY(const verify::TrustRoot root, options.root.Get());
  TRY(const verify::Time at, verify::ParseTime(options.at));
  std::optional<Bytes> nonce;
  if (!options.nonce.empty()) {
    TRY(nonce, FromHex(options.nonce));
  }
  TRY(const Bytes document, ReadFile(options.document, kLargestDocumentBytes));
  return verify::CheckOffline(document, policy, nonce, root, at);
}

Done Check(const CheckOptions& options) {
  auto judged = Judge(options);
  if (!judged) return Explain(std::move(judged).error(), options.json);
  Print(judged->report, options.json);
  if (!judged->result) return judged->result.error();
  return {};
}

}  // namespace

void AddPolicy(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("policy", "Make and try policies");
  command->require_subcommand(1);
  auto pin = std::make_shared<PinOptions>();
  CLI::App* pinning = command->add_subcommand(
      "pin", "Verify a running enclave and write what it measures as a policy, marked as observed");
  pinning->add_option("--out", pin->out, "The policy to write; never replaces a file")
      ->required()
      ->type_name("FILE");
  pinning->add_option("--name", pin->name, "The set's name; by default the enclave's module id");
  pin->connection.AddTo(*pinning);
  pin->root.AddTo(*pinning);
  pinning->add_flag("--json", pin->json, "Print the verdicts as JSON");
  pinning->callback([pin, &action] { action = [pin] { return Pin(*pin); }; });
  auto check = std::make_shared<CheckOptions>();
  CLI::App* checking = command->add_subcommand(
      "check", "Judge a stored attestation document as of a given time, without a connection");
  checking->add_option("DOCUMENT", check->document, "The document (see `attest --save`)")
      ->required();
  checking->add_option("--at", check->at, "The time to judge it at: 2022-10-13T08:58:02Z")
      ->required()
      ->type_name("TIME");
  checking->add_option("--nonce", check->nonce, "The challenge that it must answer")
      ->type_name("HEX");
  check->policy.AddTo(*checking);
  check->root.AddTo(*checking);
  checking->add_flag("--json", check->json, "Print the verdicts as JSON");
  checking->callback([check, &action] { action = [check] { return Check(*check); }; });
}

}  // namespace ephemeralml::cli
