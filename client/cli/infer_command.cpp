#include <fmt/format.h>

#include <chrono>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "client/decompose/inspect.h"
#include "client/keys/topology_key.h"
#include "client/session/lasting_session.h"

namespace ephemeralml::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string key;
  UnlockOptions unlock;
  EnclaveOptions enclave;
  std::vector<std::string> inputs;
  std::string output;
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
      "weights in plaintext: at most {} at once, none longer than {:.2f} ms; {} opened in {} "
      "chunks\n",
      HumanBytes(m.peak_plaintext_weight_bytes), static_cast<double>(m.longest_plaintext_us) / 1000,
      HumanBytes(m.bytes_opened), m.chunks_opened);
  fmt::print("weights wiped: {}\n", HumanBytes(m.bytes_wiped));
}

// What opened the key is forgotten when it is open.
Result<SecretBytes> OpenKey(const Options& options) {
  TRY(const keys::Unlock unlock, options.unlock.Get(keys::Unlock::Prompt::kOnce));
  return keys::Load(options.key, unlock);
}

Done Infer(const Options& options) {
  TRY(const SecretBytes topology, OpenKey(options));
  TRY(const auto inputs, ReadInputs(options.inputs, topology));
  TRY(const session::SessionSettings settings, options.enclave.connection.Get());
  TRY(const verify::Policy policy, options.enclave.policy.Get());
  TRY(const verify::TrustRoot root, options.enclave.root.Get());
  const Clock::time_point start = Clock::now();
  TRY(session::LastingSession session, session::LastingSession::Open(settings, policy, root));
  const double setup_ms = MillisecondsSince(start);
  const Clock::time_point asked = Clock::now();
  TRY(const session::Answer answer, session.Infer(topology, inputs));
  const double request_ms = MillisecondsSince(asked);
  session.Close();
  TRY_OK(tensors::WriteTensors(options.output, answer.outputs));
  if (options.json) {
    fmt::print("{}\n", ToJson(answer.measured, setup_ms, request_ms).dump(2));
  } else {
    fmt::print("{}", verify::PlatformNotice().empty()
                         ? ""
                         : fmt::format("{}\n", verify::PlatformNotice()));
    PrintFigures(answer.measured, setup_ms, request_ms);
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
  options->unlock.AddTo(*command);
  options->enclave.AddTo(*command);
  command->add_flag("--json", options->json, "Print figures as JSON");
  command->callback([options, &action] { action = [options] { return Infer(*options); }; });
}

}  // namespace ephemeralml::cli
