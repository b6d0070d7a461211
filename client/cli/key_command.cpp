#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "client/keys/blob_key.h"
#include "client/keys/topology_key.h"

namespace ephemeralml::cli {
namespace {

struct ShowOptions {
  std::string key;
  UnlockOptions unlock;
  bool prompt = false;
  bool json = false;

  bool IsToBeOpened() const {
    return prompt || !unlock.passphrase_file.empty() || !unlock.key_file.empty();
  }
};

struct RewrapOptions {
  std::string key;
  UnlockOptions unlock;
  NewUnlockOptions new_unlock;
};

std::string_view NameOf(keys::Unlock::Kind kind) {
  return kind == keys::Unlock::Kind::kPassphrase ? "passphrase" : "key file";
}

uint64_t ScryptBytes(const crypto::ScryptCost& cost) {
  return (uint64_t{128} << cost.log2_n) * cost.r;
}

nlohmann::json ToJson(const keys::SealedDescription& sealed) {
  nlohmann::json object = {{"format_version", sealed.format_version},
                           {"unlocked_by", NameOf(sealed.unlocked_by)},
                           {"message_bytes", sealed.message_bytes}};
  if (sealed.unlocked_by == keys::Unlock::Kind::kPassphrase) {
    object["scrypt"] = {{"log2_n", sealed.cost.log2_n},
                        {"r", sealed.cost.r},
                        {"p", sealed.cost.p},
                        {"memory_bytes", ScryptBytes(sealed.cost)}};
  }
  return object;
}

void PrintText(const keys::SealedDescription& sealed) {
  fmt::print("format      {}\n", sealed.format_version);
  fmt::print("unlocked by {}\n", NameOf(sealed.unlocked_by));
  if (sealed.unlocked_by == keys::Unlock::Kind::kPassphrase) {
    fmt::print("scrypt      N = 2^{}, r = {}, p = {}: each guess takes {} of memory\n",
               sealed.cost.log2_n, sealed.cost.r, sealed.cost.p,
               HumanBytes(ScryptBytes(sealed.cost)));
  }
  fmt::print("sealed      {}\n", HumanBytes(sealed.message_bytes));
}

Result<keys::BlobKey> OpenBlobKey(const ShowOptions& options) {
  TRY(const keys::Unlock unlock, options.unlock.Get(keys::Unlock::Prompt::kOnce));
  TRY(const SecretBytes topology, keys::Load(options.key, unlock));
  return keys::ReadBlobKey(topology);
}

Done Show(const ShowOptions& options) {
  TRY(const keys::SealedDescription sealed, keys::Describe(options.key));
  nlohmann::json object = ToJson(sealed);
  if (!options.json) PrintText(sealed);
  if (options.IsToBeOpened()) {
    TRY(const keys::BlobKey blob, OpenBlobKey(options));
    object["blob"] = {
        {"id", ToHex(blob.id)}, {"chunks", blob.chunk_count}, {"chunk_bytes", blob.chunk_bytes}};
    if (!options.json) {
      fmt::print("blob        {}, {} chunks of {}\n", ToHex(blob.id), blob.chunk_count,
                 HumanBytes(blob.chunk_bytes));
    }
  } else if (!options.json) {
    fmt::print("not opened: nothing vouches for this; see --help\n");
  }
  if (options.json) {
    object["opened"] = options.IsToBeOpened();
    fmt::print("{}\n", object.dump(2));
  }
  return {};
}

Done Rewrap(const RewrapOptions& options) {
  // Whatever is wrong with the file, say so before anybody is asked for two passphrases.
  TRY_OK(keys::Describe(options.key));
  TRY(const keys::Unlock before, options.unlock.Get(keys::Unlock::Prompt::kOnce));
  TRY(const keys::Unlock after, options.new_unlock.Get());
  TRY_OK(keys::Rewrap(options.key, before, after));
  fmt::print("{} is now opened by the new {}; copies of the old file by the old {}\n", options.key,
             NameOf(after.kind()), NameOf(before.kind()));
  return {};
}

void AddNew(CLI::App& key, Action& action) {
  auto path = std::make_shared<std::string>();
  CLI::App* command = key.add_subcommand("new", "Write a new key file: 32 random bytes, mode 0600");
  command->add_option("FILE", *path, "Where to; never replaces a file")->required();
  command->callback([path, &action] {
    action = [path]() -> Done {
      TRY_OK(keys::CreateKeyFile(*path));
      fmt::print("wrote key file {}; whoever has it opens the topology keys sealed with it\n",
                 *path);
      return {};
    };
  });
}

void AddShow(CLI::App& key, Action& action) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* command = key.add_subcommand(
      "show",
      "Show how a topology key is sealed, without opening it; with an option that opens it, also "
      "which blob it belongs to (`inspect` shows the model)");
  command->add_option("KEY", options->key, "The topology key")
      ->required()
      ->check(CLI::ExistingFile);
  options->unlock.AddTo(*command);
  command->add_flag("--prompt", options->prompt, "Open it with a passphrase from the terminal");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &action] { action = [options] { return Show(*options); }; });
}

void AddRewrap(CLI::App& key, Action& action) {
  auto options = std::make_shared<RewrapOptions>();
  CLI::App* command = key.add_subcommand(
      "rewrap",
      "Change what opens a topology key: its passphrase or key file. The file is replaced whole, "
      "once "
      "the new one is on disk. Whoever has a copy of the old file and what opened it still has the "
      "model's secret: `rotate` ends that");
  command->add_option("KEY", options->key, "The topology key")
      ->required()
      ->check(CLI::ExistingFile);
  options->unlock.AddTo(*command);
  options->new_unlock.AddTo(*command);
  command->callback([options, &action] { action = [options] { return Rewrap(*options); }; });
}

}  // namespace

void AddKey(CLI::App& app, Action& action) {
  CLI::App* key = app.add_subcommand("key", "Topology keys at rest, and what opens them");
  key->require_subcommand(1);
  AddNew(*key, action);
  AddShow(*key, action);
  AddRewrap(*key, action);
  AddKeyRotate(*key, action);
}

}  // namespace ephemeralml::cli
