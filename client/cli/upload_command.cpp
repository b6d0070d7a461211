#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "common/wire/blob_format.h"

namespace ephemeralml::cli {
namespace {

struct Options {
  std::string blob;
  std::string id;
  StoreOptions store;
};

// decompose names the file after the id, so the id is rarely given.
std::string NamedId(const Options& options) {
  return options.id.empty() ? std::filesystem::path(options.blob).stem().string() : options.id;
}

Result<std::string> ReadBlobId(const std::string& id) {
  const auto bytes = FromHex(id);
  if (!bytes || bytes->size() != wire::BlobId::kSize) {
    return Error{Code::kInvalidArgument, "blob_id_invalid",
                 "'" + id + "' isn't a blob id of 32 hexadecimal digits"};
  }
  return ToHex(*bytes);
}

Done Upload(const Options& options) {
  TRY(const std::string id, ReadBlobId(NamedId(options)));
  TRY(const session::BlobStoreAccess access, options.store.Get());
  session::UploadOutcome outcome{};
  {
    ProgressLine progress("upload");
    TRY(outcome, session::UploadBlob(access, id, options.blob, [&](uint64_t done, uint64_t total) {
          progress.Show(done, total);
        }));
  }
  fmt::print("{} {} at {}\n",
             outcome == session::UploadOutcome::kStored ? "stored blob" : "already there: blob", id,
             access.host.Authority());
  return {};
}

Done Delete(const Options& options) {
  TRY(const std::string id, ReadBlobId(options.id));
  TRY(const session::BlobStoreAccess access, options.store.Get());
  TRY_OK(session::DeleteBlob(access, id));
  fmt::print("deleted blob {} at {}\n", id, access.host.Authority());
  return {};
}

}  // namespace

void AddUpload(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("upload", "Store a sealed weight blob on the untrusted host");
  command->add_option("BLOB", options->blob, "The blob's file, as decompose wrote it")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--id", options->id,
                      "The blob's id; by default the file's name without extension");
  options->store.AddTo(*command);
  command->callback([options, &action] { action = [options] { return Upload(*options); }; });
}

void AddDelete(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("delete", "Remove a sealed weight blob from the untrusted host");
  command->add_option("ID", options->id, "The blob's id, 32 hexadecimal digits")->required();
  options->store.AddTo(*command);
  command->callback([options, &action] { action = [options] { return Delete(*options); }; });
}

}  // namespace ephemeralml::cli
