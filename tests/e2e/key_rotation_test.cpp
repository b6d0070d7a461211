// `ephemeralml key` against the real programs: rotation from a file and from the host's store, and
// what other commands say of keys.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "client/keys/topology_key.h"
#include "tests/e2e/small_models.h"
#include "tests/support/killed_program.h"
#include "tests/support/sealed_model.h"

namespace ephemeralml {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::ProgramEnd;
using testing_support::SealedModel;

constexpr size_t kSealedChunkBytes = wire::kChunkBytes + wire::kTagBytes;

void Flip(const fs::path& path, std::streamoff at) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(at);
  const int byte = file.get();
  file.seekp(at);
  file.put(static_cast<char>(byte ^ 1));
  CHECK(file.good());
}

class KeyCommand : public testing::Test {
 protected:
  KeyCommand() {
    CHECK(keys::CreateKeyFile(unlock_path_).has_value());
    unlock_.emplace(keys::Unlock::FromKeyFile(unlock_path_).value());
  }

  ProgramEnd Client(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), fs::path(EPHEMERAL_PROGRAMS_DIR) / "ephemeralml");
    return testing_support::RunProgram(arguments);
  }
  ProgramEnd Rotate(const SealedModel& model, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"key", "rotate",     model.key,   "--out",
                                          out_,  "--key-file", unlock_path_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Client(arguments);
  }
  fs::path NewBlob() const {
    for (const auto& entry : fs::directory_iterator(out_)) {
      if (entry.path().extension() == ".blob") return entry.path();
    }
    return {};
  }

  testing_support::TemporaryFolder folder_;
  const fs::path unlock_path_ = folder_.path() / "unlock";
  const fs::path out_ = folder_.path() / "new";
  std::optional<keys::Unlock> unlock_;
};

TEST_F(KeyCommand, RotationsMemoryDoesntGrowWithTheBlob) {
  const auto small = testing_support::MakeSealedModel(folder_.path() / "small", 64, *unlock_);
  const auto large = testing_support::MakeSealedModel(folder_.path() / "large", 16'384, *unlock_);
  const ProgramEnd with_small = Rotate(small);
  ASSERT_EQ(with_small.exit_status, 0) << with_small.output;
  fs::remove_all(out_);
  const ProgramEnd with_large = Rotate(large);
  ASSERT_EQ(with_large.exit_status, 0) << with_large.output;
  EXPECT_EQ(fs::file_size(NewBlob()), 16'384 * kSealedChunkBytes);
  EXPECT_TRUE(testing_support::HoldsThePatterns(out_ / "topology.key", NewBlob(), *unlock_));
  RecordProperty("peak_bytes_1_mib", std::to_string(with_small.peak_bytes));
  RecordProperty("peak_bytes_256_mib", std::to_string(with_large.peak_bytes));
  EXPECT_LT(with_large.peak_bytes, with_small.peak_bytes + (2 << 20));
}

TEST_F(KeyCommand, RotateTakesTheOldBlobFromTheHostAndStoresTheNewOne) {
  testing_support::System system;
  const auto model = testing_support::MakeSealedModel(folder_.path() / "old", 100, *unlock_);
  ASSERT_TRUE(session::UploadBlob(system.Store(), model.blob_id, model.blob, {}));
  const fs::path stored = system.HostState() / "blobs" / model.blob_id;
  fs::remove(model.blob);
  const std::vector<std::string> host = {"--host",
                                         "127.0.0.1:" + std::to_string(system.host_port()),
                                         "--token-file", system.HostState() / "token", "--upload"};

  // The host alters a chunk in the middle: refused, and nothing looks complete.
  Flip(stored, 50 * kSealedChunkBytes + 5);
  const ProgramEnd refused = Rotate(model, host);
  EXPECT_EQ(refused.exit_status, 4) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("weights_unauthentic"));
  EXPECT_FALSE(fs::exists(out_ / "topology.key"));
  EXPECT_EQ(NewBlob(), fs::path());
  EXPECT_EQ(std::distance(fs::directory_iterator(system.HostState() / "blobs"), {}), 1);

  // It serves what it was given again: the rotation goes on with chunk 50.
  Flip(stored, 50 * kSealedChunkBytes + 5);
  const ProgramEnd rotated = Rotate(model, host);
  ASSERT_EQ(rotated.exit_status, 0) << rotated.output;
  EXPECT_THAT(rotated.output, HasSubstr("50 of 100 chunks were sealed already"));
  EXPECT_TRUE(testing_support::HoldsThePatterns(out_ / "topology.key", NewBlob(), *unlock_));
  EXPECT_TRUE(testing_support::HoldsThePatterns(
      out_ / "topology.key", system.HostState() / "blobs" / NewBlob().stem(), *unlock_));
  // The old one stays usable.
  EXPECT_TRUE(testing_support::HoldsThePatterns(model.key, stored, *unlock_));
}

TEST_F(KeyCommand, RotateSaysWhatTheHostLacks) {
  testing_support::System system;
  const auto model = testing_support::MakeSealedModel(folder_.path() / "old", 4, *unlock_);
  fs::remove(model.blob);
  const std::string host = "127.0.0.1:" + std::to_string(system.host_port());
  const ProgramEnd missing = Rotate(model, {"--host", host});
  EXPECT_EQ(missing.exit_status, 10);
  EXPECT_THAT(missing.output, HasSubstr("blob_refused"));
  const auto other = testing_support::MakeSealedModel(folder_.path() / "other", 5, *unlock_);
  ASSERT_TRUE(session::UploadBlob(system.Store(), model.blob_id, other.blob, {}));
  const ProgramEnd longer = Rotate(model, {"--host", host});
  EXPECT_EQ(longer.exit_status, 4);
  EXPECT_THAT(longer.output, HasSubstr("blob_incomplete"));
}

TEST_F(KeyCommand, ARotatedModelAnswersAsBefore) {
  testing_support::System system;
  const testing_support::SmallModel small = testing_support::DenseModel();
  const testing_support::SplitModel split = testing_support::Install(system, small);
  const fs::path key = folder_.path() / "topology.key";
  ASSERT_TRUE(keys::Save(key, split.topology, *unlock_));
  const ProgramEnd rotated = Rotate({.key = key, .blob = split.blob, .blob_id = split.blob_id},
                                    {"--blob", split.blob, "--upload", "--host",
                                     "127.0.0.1:" + std::to_string(system.host_port()),
                                     "--token-file", system.HostState() / "token"});
  ASSERT_EQ(rotated.exit_status, 0) << rotated.output;
  const auto inputs = testing_support::InputFor(small, 3);
  auto session = system.Connect().value();
  const auto before = session.Infer(split.topology, inputs).value();
  const auto after =
      session.Infer(keys::Load(out_ / "topology.key", *unlock_).value(), inputs).value();
  ASSERT_EQ(before.outputs.size(), after.outputs.size());
  EXPECT_TRUE(std::ranges::equal(before.outputs[0].data.Reveal(), after.outputs[0].data.Reveal()));
}

TEST_F(KeyCommand, ShowNeedsNothingThatOpensTheKey) {
  const auto model = testing_support::MakeSealedModel(folder_.path() / "old", 4, *unlock_);
  const ProgramEnd closed = Client({"key", "show", model.key, "--json"});
  ASSERT_EQ(closed.exit_status, 0) << closed.output;
  const auto shown = nlohmann::json::parse(closed.output);
  EXPECT_EQ(shown["unlocked_by"], "key file");
  EXPECT_EQ(shown["opened"], false);
  EXPECT_FALSE(shown.contains("blob"));
  const auto opened = nlohmann::json::parse(
      Client({"key", "show", model.key, "--json", "--key-file", unlock_path_}).output);
  EXPECT_EQ(opened["blob"]["id"], model.blob_id);
  EXPECT_EQ(opened["blob"]["chunks"], 4);
  EXPECT_EQ(Client({"key", "show", unlock_path_}).exit_status, 3);
}

TEST_F(KeyCommand, RewrapChangesWhatOpensTheKeyAndFollowsALink) {
  const auto model = testing_support::MakeSealedModel(folder_.path() / "old", 4, *unlock_);
  const fs::path passphrase = folder_.path() / "passphrase";
  ASSERT_TRUE(WriteFileAtomically(passphrase, AsBytes("a new passphrase\n"), 0600));
  const fs::path link = folder_.path() / "link";
  fs::create_symlink(model.key, link);
  const ProgramEnd end = Client(
      {"key", "rewrap", link, "--key-file", unlock_path_, "--new-passphrase-file", passphrase});
  ASSERT_EQ(end.exit_status, 0) << end.output;
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(keys::Load(model.key, *unlock_).error().reason, "unlock_mismatch");
  EXPECT_TRUE(keys::Load(model.key, keys::Unlock::FromPassphraseFile(passphrase).value()));
  const auto shown = nlohmann::json::parse(Client({"key", "show", model.key, "--json"}).output);
  EXPECT_EQ(shown["scrypt"]["log2_n"], 17);
  EXPECT_EQ(shown["scrypt"]["r"], 8);
  EXPECT_EQ(shown["scrypt"]["p"], 1);
  EXPECT_EQ(shown["scrypt"]["memory_bytes"], 128 << 20);
}

TEST_F(KeyCommand, APassphraseMayComeThroughAPipe) {
  const auto model = testing_support::MakeSealedModel(folder_.path() / "old", 4, *unlock_);
  const fs::path passphrase = folder_.path() / "passphrase";
  ASSERT_TRUE(WriteFileAtomically(passphrase, AsBytes("through a pipe\n"), 0600));
  ASSERT_TRUE(
      keys::Rewrap(model.key, *unlock_, keys::Unlock::FromPassphraseFile(passphrase).value()));
  const std::string client = fs::path(EPHEMERAL_PROGRAMS_DIR) / "ephemeralml";
  const auto show = [&](const std::string& said) {
    return testing_support::RunProgram(
        {"/bin/bash", "-c",
         client + " key show " + model.key.string() + " --passphrase-file <(echo '" + said + "')"});
  };
  const ProgramEnd right = show("through a pipe");
  EXPECT_EQ(right.exit_status, 0) << right.output;
  EXPECT_THAT(right.output, HasSubstr(model.blob_id));
  EXPECT_EQ(show("through a pip").exit_status, 4);
}

}  // namespace
}  // namespace ephemeralml
