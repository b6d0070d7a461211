#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "client/decompose/inspect.h"
#include "client/keys/topology_key.h"

namespace ephemeralml::cli {
namespace {

struct Options {
  std::string key;
  UnlockOptions unlock;
  bool json = false;
};

std::string ShapeText(const decompose::InspectedValue& value) {
  if (!value.has_shape) return "[…]";
  std::string text;
  for (const decompose::InspectedDimension& dimension : value.shape) {
    if (!text.empty()) text += ", ";
    if (dimension.size >= 0) {
      text += std::to_string(dimension.size);
    } else {
      text += dimension.symbol.empty() ? "?" : dimension.symbol;
    }
  }
  return "[" + text + "]";
}

nlohmann::json ToJson(const std::vector<decompose::InspectedValue>& values) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& value : values) {
    list.push_back({{"name", value.name}, {"type", Name(value.type)}, {"shape", ShapeText(value)}});
  }
  return list;
}

void PrintJson(const decompose::Inspection& found) {
  const nlohmann::json object = {{"blob_id", ToHex(found.blob_id)},
                                 {"chunks", found.chunks},
                                 {"chunk_bytes", found.chunk_bytes},
                                 {"operator_sets", found.operator_sets},
                                 {"operators", found.operators},
                                 {"inputs", ToJson(found.inputs)},
                                 {"outputs", ToJson(found.outputs)},
                                 {"sealed_weights", found.sealed_weights},
                                 {"sealed_weight_bytes", found.sealed_weight_bytes},
                                 {"inline_constants", found.inline_constants}};
  fmt::print("{}\n", object.dump(2));
}

void PrintText(const decompose::Inspection& found) {
  for (const auto& value : found.inputs)
    fmt::print("input   {} {} {}\n", value.name, Name(value.type), ShapeText(value));
  for (const auto& value : found.outputs)
    fmt::print("output  {} {} {}\n", value.name, Name(value.type), ShapeText(value));
  for (const auto& [domain, version] : found.operator_sets) {
    fmt::print("opset   {} {}\n", domain.empty() ? "ai.onnx" : domain, version);
  }
  for (const auto& [name, count] : found.operators) fmt::print("nodes   {:5} {}\n", count, name);
  fmt::print("weights {} sealed, {}; {} small constants in the key\n", found.sealed_weights,
             HumanBytes(found.sealed_weight_bytes), found.inline_constants);
  fmt::print("blob    {} of {} chunks of {}\n", ToHex(found.blob_id), found.chunks,
             HumanBytes(found.chunk_bytes));
}

Done Inspect(const Options& options) {
  TRY(const keys::Unlock unlock, options.unlock.Get(keys::Unlock::Prompt::kOnce));
  TRY(const SecretBytes topology, keys::Load(options.key, unlock));
  TRY(const decompose::Inspection found, decompose::Inspect(topology));
  if (options.json) {
    PrintJson(found);
  } else {
    PrintText(found);
  }
  return {};
}

}  // namespace

void AddInspect(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "Show what a topology key holds");
  command->add_option("KEY", options->key, "The topology key")
      ->required()
      ->check(CLI::ExistingFile);
  options->unlock.AddTo(*command);
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &action] { action = [options] { return Inspect(*options); }; });
}

}  // namespace ephemeralml::cli
