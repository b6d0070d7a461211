#include <fmt/format.h>

#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "client/cli/commands.h"
#include "client/cli/compare.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "client/decompose/inspect.h"
#include "client/keys/topology_key.h"
#include "client/session/lasting_session.h"
#include "common/channel/busy.h"

namespace ephemeralml::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string key;
  UnlockOptions unlock;
  EnclaveOptions enclave;
  std::vector<std::string> inputs;
  std::string output;
  session::Lifetime lifetime = session::Lifetime::kRequest;
  std::string compare;
  int busy_retries = 0;
  bool json = false;
};

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// `NAME=FILE` gives one tensor its name; `FILE` holds named tensors.
Result<std::vector<tensors::NamedTensor>> ReadInputs(const std::vector<std::string>& arguments,
                                                     const SecretBytes& topology) {
  TRY(const decompose::Inspection model, decompose::Inspect(topology));
  tensors::TypesByName types;
  for (const auto& input : model.inputs) types.emplace(input.name, input.type);
  std::vector<tensors::NamedTensor> inputs;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    const std::string path = equals == std::string::npos ? argument : argument.substr(equals + 1);
    // A bare list in JSON has no name to look a type up by, but the command line gave one.
    types.erase("");
    const auto named = types.find(argument.substr(0, equals));
    if (named != types.end()) types[""] = named->second;
    TRY(auto tensors, tensors::ReadTensors(path, types));
    if (equals != std::string::npos) {
      if (tensors.size() != 1) {
        return Error{Code::kInvalidArgument, "input_ambiguous",
                     path + " holds several tensors; give it without a name"};
      }
      tensors[0].name = argument.substr(0, equals);
    }
    std::ranges::move(tensors, std::back_inserter(inputs));
  }
  return inputs;
}

nlohmann::json ToJson(const session::Measurements& m, double setup_ms, double request_ms) {
  return {{"setup_ms", setup_ms},
          {"request_ms", request_ms},
          {"fetch_ms", static_cast<double>(m.fetch_us) / 1000},
          {"prepare_ms", static_cast<double>(m.prepare_us) / 1000},
          {"execute_ms", static_cast<double>(m.execute_us) / 1000},
          {"peak_plaintext_weight_bytes", m.peak_plaintext_weight_bytes},
          {"longest_plaintext_us", m.longest_plaintext_us},
          {"plaintext_byte_us", m.plaintext_byte_us},
          {"bytes_opened", m.bytes_opened},
          {"bytes_wiped", m.bytes_wiped},
          {"chunks_opened", m.chunks_opened},
          {"peak_activation_bytes", m.peak_activation_bytes}};
}

void PrintFigures(const session::Measurements& m, double setup_ms, double request_ms) {
  fmt::print(
      "attested session set up in {:.1f} ms; request {:.1f} ms (fetch {:.1f}, prepare {:.1f}, "
      "execute "
      "{:.1f})\n",
      setup_ms, request_ms, static_cast<double>(m.fetch_us) / 1000,
      static_cast<double>(m.prepare_us) / 1000, static_cast<double>(m.execute_us) / 1000);
  fmt::print(
      "weights in plaintext: at most {} at once, none longer than {:.2f} ms, {} x ms in all; {} "
      "opened in {} chunks\n",
      HumanBytes(m.peak_plaintext_weight_bytes), static_cast<double>(m.longest_plaintext_us) / 1000,
      HumanBytes(m.plaintext_byte_us / 1000), HumanBytes(m.bytes_opened), m.chunks_opened);
  fmt::print("weights wiped: {}\n", HumanBytes(m.bytes_wiped));
}

void PrintDifferences(const std::vector<Difference>& differences) {
  for (const Difference& each : differences) {
    fmt::print("output {}: differs by at most {:.3g}, of values up to {:.3g}\n", each.output,
               each.largest, each.largest_reference);
  }
}

nlohmann::json ToJson(const std::vector<Difference>& differences) {
  nlohmann::json json = nlohmann::json::object();
  for (const Difference& each : differences) {
    json[each.output] = {{"largest_difference", each.largest},
                         {"largest_reference", each.largest_reference}};
  }
  return json;
}

// What opened the key is forgotten when it is open.
Result<SecretBytes> OpenKey(const Options& options) {
  TRY(const keys::Unlock unlock, options.unlock.Get(keys::Unlock::Prompt::kOnce));
  return keys::Load(options.key, unlock);
}

// Comes back as often as it may while the enclave is busy.
Result<session::LastingSession> Open(const Options& options,
                                     const session::SessionSettings& settings,
                                     const verify::Policy& policy, const verify::TrustRoot& root) {
  for (int left = options.busy_retries;; --left) {
    auto session = session::LastingSession::Open(settings, policy, root);
    if (session || session.error().code != Code::kBusy || left == 0) return session;
    std::this_thread::sleep_for(std::chrono::milliseconds(channel::kComeBackMs));
  }
}

Done Infer(const Options& options) {
  TRY(const SecretBytes topology, OpenKey(options));
  TRY(const auto inputs, ReadInputs(options.inputs, topology));
  TRY(const session::SessionSettings settings, options.enclave.connection.Get());
  TRY(const verify::Policy policy, options.enclave.policy.Get());
  TRY(const verify::TrustRoot root, options.enclave.root.Get());
  const Clock::time_point start = Clock::now();
  TRY(session::LastingSession session, Open(options, settings, policy, root));
  const double setup_ms = MillisecondsSince(start);
  const Clock::time_point asked = Clock::now();
  TRY(const session::Answer answer, session.Infer(topology, inputs, options.lifetime));
  const double request_ms = MillisecondsSince(asked);
  session.Close();
  TRY_OK(tensors::WriteTensors(options.output, answer.outputs));
  std::vector<Difference> differences;
  if (!options.compare.empty()) {
    TRY(const auto reference, tensors::ReadTensors(options.compare));
    TRY(differences, Compare(answer.outputs, reference));
  }
  if (options.json) {
    nlohmann::json json = ToJson(answer.measured, setup_ms, request_ms);
    if (!options.compare.empty()) json["differences"] = ToJson(differences);
    fmt::print("{}\n", json.dump(2));
  } else {
    fmt::print("{}", verify::PlatformNotice().empty()
                         ? ""
                         : fmt::format("{}\n", verify::PlatformNotice()));
    PrintFigures(answer.measured, setup_ms, request_ms);
    PrintDifferences(differences);
    fmt::print("wrote {}\n", options.output);
  }
  return {};
}

}  // namespace

void AddInfer(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("infer", "Run a model once in an attested enclave");
  command->add_option("KEY", options->key, "The model's topology key")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--input", options->inputs,
                   "An input: NAME=FILE for one tensor, FILE for named ones (.npy, .npz, .json)")
      ->type_name("[NAME=]FILE");
  command->add_option("--output", options->output, "Where the outputs go (.npz, .npy, .json)")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--compare", options->compare,
                   "Say how far the outputs are from those in this file, as of the same model with "
                   "float32 weights (.npz, .json)")
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  command
      ->add_option("--busy-retries", options->busy_retries,
                   "How often to come back while the enclave or the host is busy")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  const std::map<std::string, session::Lifetime> lifetimes = {
      {"request", session::Lifetime::kRequest},
      {"session", session::Lifetime::kSession},
      {"resident", session::Lifetime::kResident}};
  command
      ->add_option("--lifetime", options->lifetime,
                   "What the enclave keeps until the session ends: nothing (request), the graph "
                   "(session), or the graph and all weights in plaintext (resident)")
      ->transform(CLI::CheckedTransformer(lifetimes).description(""))
      ->default_str("request")
      ->type_name("LIFETIME");
  options->unlock.AddTo(*command);
  options->enclave.AddTo(*command);
  command->add_flag("--json", options->json, "Print figures as JSON");
  command->callback([options, &action] { action = [options] { return Infer(*options); }; });
}

}  // namespace ephemeralml::cli
