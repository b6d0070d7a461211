#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "client/decompose/decompose.h"
#include "client/keys/topology_key.h"

namespace ephemeralml::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model;
  std::string out;
  decompose::DecomposeOptions decompose;
  UnlockOptions unlock;
};

// A folder beside the model, named as it is.
fs::path OutputFolder(const Options& options) {
  return options.out.empty() ? fs::path(options.model).replace_extension() : fs::path(options.out);
}

Result<fs::path> PrepareFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return Error{Code::kIo, "file_unwritable",
                 "can't make " + folder.string() + ": " + error.message()};
  }
  const fs::path key = folder / "topology.key";
  if (fs::exists(key)) {
    return Error{
        Code::kInvalidArgument, "topology_key_exists",
        key.string() + " exists; it may be the only way to open a blob. Choose another --out"};
  }
  return key;
}

Done Decompose(const Options& options) {
  const fs::path folder = OutputFolder(options);
  TRY(const fs::path key, PrepareFolder(folder));
  TRY(const keys::Unlock unlock, options.unlock.Get(keys::Unlock::Prompt::kTwice));
  const fs::path unnamed = folder / "weights.blob";
  decompose::DecomposeReport report;
  {
    ProgressLine progress("seal");
    const auto show = [&](uint64_t done, uint64_t total) { progress.Show(done, total); };
    TRY(report, decompose::Decompose(options.model, unnamed, show, options.decompose));
  }
  const fs::path blob = folder / (ToHex(report.blob_id) + ".blob");
  std::error_code error;
  fs::rename(unnamed, blob, error);
  if (error) {
    return Error{Code::kIo, "file_unwritable",
                 "can't name " + blob.string() + ": " + error.message()};
  }
  TRY_OK(keys::Save(key, report.topology_message, unlock));
  fmt::print("topology key: {} ({} nodes, {} small constants; keep it)\n", key.string(),
             report.nodes, report.inline_constants);
  fmt::print("weight blob:  {} ({} weights, {}, sealed in {} chunks; upload it)\n", blob.string(),
             report.sealed_weights, HumanBytes(report.sealed_weight_bytes), report.chunks);
  return {};
}

}  // namespace

void AddDecompose(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "decompose",
      "Split an ONNX model into a topology key (yours) and a sealed weight blob (for the host)");
  command->add_option("MODEL", options->model, "The ONNX file")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--out", options->out,
                   "Folder for both; by default the model's path without extension")
      ->type_name("FOLDER");
  CLI::Option* const unprepared =
      command
          ->add_flag("!--no-preparation", options->decompose.preparation,
                     "Keep the graph as the model has it: slower, for finding where results differ")
          ->group("Diagnosis");
  const std::map<std::string, wire::ElementType> types = {
      {"float32", wire::ElementType::kFloat},
      {"float16", wire::ElementType::kFloat16},
      {"bfloat16", wire::ElementType::kBfloat16}};
  command
      ->add_option("--weights", options->decompose.weights,
                   "How factors of products are stored: as they are (float32), or rounded to half "
                   "as many bytes (float16, bfloat16); see infer --compare")
      ->transform(CLI::CheckedTransformer(types).description(""))
      ->default_str("float32")
      ->type_name("TYPE");
  const std::map<std::string, wire::ElementType> computing = {
      {"float32", wire::ElementType::kFloat}, {"bfloat16", wire::ElementType::kBfloat16}};
  command
      ->add_option("--compute", options->decompose.compute,
                   "What products with weight matrices multiply in: float32; or bfloat16, which "
                   "rounds both factors, takes half the bytes and, where the processor is faster "
                   "in it, less time; see infer --compare")
      ->transform(CLI::CheckedTransformer(computing).description(""))
      ->default_str("float32")
      ->type_name("TYPE")
      ->excludes(unprepared);
  options->unlock.AddTo(*command);
  command->callback([options, &action] { action = [options] { return Decompose(*options); }; });
}

}  // namespace ephemeralml::cli
