// Client commands that are killed at every system call with which they change something on disk:
// what they leave is the state before, the state after, or something that says that it is
// unfinished, and running them again ends as if nothing had happened.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <set>

#include "client/keys/blob_key.h"
#include "client/keys/topology_key.h"
#include "tests/e2e/small_models.h"
#include "tests/support/killed_program.h"
#include "tests/support/sealed_model.h"

namespace ephemeralml {
namespace {

namespace fs = std::filesystem;
using testing_support::ProgramEnd;
using testing_support::RunProgram;
using testing_support::RunProgramKilledAt;

constexpr uint64_t kChunks = 20;
constexpr size_t kSealedChunkBytes = wire::kChunkBytes + wire::kTagBytes;
constexpr size_t kMostBytes = size_t{1} << 24;
constexpr int kMostCalls = 10'000;

Bytes Contents(const fs::path& path) { return ReadFile(path, kMostBytes).value(); }

fs::path FileEndingIn(const fs::path& folder, std::string_view end) {
  if (!fs::exists(folder)) return {};
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().string().ends_with(end)) return entry.path();
  }
  return {};
}

bool BeginsWith(const Bytes& whole, const Bytes& part) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

class KilledClient : public testing::Test {
 protected:
  KilledClient() {
    CHECK(keys::CreateKeyFile(unlock_path_).has_value());
    unlock_.emplace(keys::Unlock::FromKeyFile(unlock_path_).value());
  }

  std::vector<std::string> Command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), fs::path(EPHEMERAL_PROGRAMS_DIR) / "ephemeralml");
    arguments.insert(arguments.end(), {"--key-file", unlock_path_});
    return arguments;
  }

  // Prepares, runs with a kill at the first, second, ... such call, and looks at what is left,
  // until a run comes to its end. Gives the number of kills.
  int ForEveryKill(const std::vector<std::string>& command, const std::function<void()>& prepare,
                   const std::function<void()>& look) {
    for (int call = 1; call < kMostCalls; ++call) {
      prepare();
      bool is_traceable = true;
      const ProgramEnd end = RunProgramKilledAt(command, call, is_traceable);
      if (!is_traceable) return -1;
      if (!end.was_killed) {
        EXPECT_EQ(end.exit_status, 0) << end.output;
        return call - 1;
      }
      SCOPED_TRACE("killed after call " + std::to_string(call));
      look();
      if (HasFailure()) return call;
    }
    return kMostCalls;
  }

  testing_support::TemporaryFolder folder_;
  const fs::path unlock_path_ = folder_.path() / "unlock";
  const fs::path out_ = folder_.path() / "new";
  std::optional<keys::Unlock> unlock_;
};

TEST_F(KilledClient, RotateGoesOnByteForByteWhereverItIsKilled) {
  const auto model = testing_support::MakeSealedModel(folder_.path() / "old", kChunks, *unlock_);
  const auto command = Command({"key", "rotate", model.key, "--out", out_});
  const Bytes old_key = Contents(model.key);
  const Bytes old_blob = Contents(model.blob);

  // A rotation that has drawn its id and secret and not sealed a chunk: every further one begins
  // here, so that all must end alike.
  const fs::path begun = folder_.path() / "begun";
  bool is_traceable = true;
  for (int call = 1; !fs::exists(out_ / "topology.key.rotating"); ++call) {
    ASSERT_LT(call, 100);
    fs::remove_all(out_);
    ASSERT_TRUE(RunProgramKilledAt(command, call, is_traceable).was_killed || !is_traceable);
    if (!is_traceable) GTEST_SKIP() << "this system lets nobody trace";
    EXPECT_EQ(FileEndingIn(out_, ".blob.rotating"), fs::path()) << "a chunk before its secret";
  }
  fs::copy(out_, begun, fs::copy_options::recursive);
  const auto begin_anew = [&] {
    fs::remove_all(out_);
    fs::copy(begun, out_, fs::copy_options::recursive);
  };

  begin_anew();
  const ProgramEnd uninterrupted = RunProgram(command);
  ASSERT_EQ(uninterrupted.exit_status, 0) << uninterrupted.output;
  const fs::path new_blob = FileEndingIn(out_, ".blob");
  const Bytes expected = Contents(new_blob);
  ASSERT_TRUE(testing_support::HoldsThePatterns(out_ / "topology.key", new_blob, *unlock_));

  std::set<size_t> lengths;
  const int kills = ForEveryKill(command, begin_anew, [&] {
    const fs::path unfinished = FileEndingIn(out_, ".blob.rotating");
    const Bytes before = unfinished.empty() ? Bytes() : Contents(unfinished);
    lengths.insert(before.size());
    EXPECT_TRUE(BeginsWith(expected, before)) << "other bytes than an uninterrupted run's";
    if (fs::exists(out_ / "topology.key")) {
      EXPECT_TRUE(testing_support::HoldsThePatterns(out_ / "topology.key", new_blob, *unlock_));
    }
    EXPECT_EQ(Contents(model.key), old_key);
    EXPECT_EQ(Contents(model.blob), old_blob);

    const ProgramEnd resumed = RunProgram(command);
    if (!fs::exists(out_ / "topology.key.rotating") && resumed.exit_status != 0) {
      // It was killed after its last change: there is nothing left to do, and it says so.
      EXPECT_THAT(resumed.output, testing::HasSubstr("topology_key_exists"));
    } else {
      EXPECT_EQ(resumed.exit_status, 0) << resumed.output;
    }
    EXPECT_EQ(Contents(new_blob), expected);
    EXPECT_TRUE(testing_support::HoldsThePatterns(out_ / "topology.key", new_blob, *unlock_));
    EXPECT_EQ(std::distance(fs::directory_iterator(out_), {}), 2) << "something is left over";
  });
  EXPECT_GT(kills, static_cast<int>(kChunks) + 8);
  for (uint64_t chunk = 1; chunk <= kChunks; ++chunk) {
    EXPECT_TRUE(lengths.contains(chunk * kSealedChunkBytes)) << "no kill after chunk " << chunk;
  }
}

TEST_F(KilledClient, RotateDrawsNothingTwiceBeforeItsStateIsOnDisk) {
  const auto model = testing_support::MakeSealedModel(folder_.path() / "old", 2, *unlock_);
  const auto command = Command({"key", "rotate", model.key, "--out", out_});
  std::set<std::string> ids;
  const int kills = ForEveryKill(
      command, [&] { fs::remove_all(out_); },
      [&] {
        const bool has_state = fs::exists(out_ / "topology.key.rotating");
        const bool has_key = fs::exists(out_ / "topology.key");
        EXPECT_TRUE(has_state || has_key || FileEndingIn(out_, ".rotating").empty());
        if (has_key) return;
        const ProgramEnd resumed = RunProgram(command);
        EXPECT_EQ(resumed.exit_status, 0) << resumed.output;
        const fs::path blob = FileEndingIn(out_, ".blob");
        EXPECT_TRUE(testing_support::HoldsThePatterns(out_ / "topology.key", blob, *unlock_));
        EXPECT_TRUE(ids.insert(blob.stem()).second) << "an id was drawn twice";
      });
  if (kills < 0) GTEST_SKIP() << "this system lets nobody trace";
  EXPECT_GT(kills, 10);
}

TEST_F(KilledClient, RewrapLeavesTheOldKeyOrTheNew) {
  const auto model = testing_support::MakeSealedModel(folder_.path() / "old", 1, *unlock_);
  const fs::path new_unlock_path = folder_.path() / "unlock2";
  ASSERT_TRUE(keys::CreateKeyFile(new_unlock_path));
  const keys::Unlock new_unlock = keys::Unlock::FromKeyFile(new_unlock_path).value();
  const Bytes old_key = Contents(model.key);
  const SecretBytes message = keys::Load(model.key, *unlock_).value();
  int old_keys = 0;
  int new_keys = 0;
  const int kills = ForEveryKill(
      Command({"key", "rewrap", model.key, "--new-key-file", new_unlock_path}),
      [&] { ASSERT_TRUE(WriteFileAtomically(model.key, old_key, 0600)); },
      [&] {
        const bool is_old = Contents(model.key) == old_key;
        ++(is_old ? old_keys : new_keys);
        const auto opened = keys::Load(model.key, is_old ? *unlock_ : new_unlock);
        ASSERT_TRUE(opened.has_value()) << opened.error().reason;
        EXPECT_TRUE(std::ranges::equal(opened->Reveal(), message.Reveal()));
        struct stat status = {};
        ASSERT_EQ(stat(model.key.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0600U);
      });
  if (kills < 0) GTEST_SKIP() << "this system lets nobody trace";
  EXPECT_GT(old_keys, 2);
  EXPECT_GT(new_keys, 0);
}

// Nothing is gone on with: whatever a killed run sealed, the next one seals under an id and a
// secret of its own.
TEST_F(KilledClient, DecomposeStartsAfresh) {
  const fs::path onnx = folder_.path() / "model.onnx";
  ASSERT_TRUE(WriteFileAtomically(onnx, testing_support::DenseModel().onnx, 0600));
  const auto command = Command({"decompose", onnx, "--out", out_});
  int sealed_runs = 0;
  const int kills = ForEveryKill(
      command, [&] { fs::remove_all(out_); },
      [&] {
        if (fs::exists(out_ / "topology.key")) return;
        std::vector<Bytes> left;
        std::set<std::string> names;
        if (fs::exists(out_)) {
          for (const auto& entry : fs::directory_iterator(out_)) {
            left.push_back(Contents(entry.path()));
            names.insert(entry.path().filename());
          }
        }
        const ProgramEnd again = RunProgram(command);
        ASSERT_EQ(again.exit_status, 0) << again.output;
        const SecretBytes topology = keys::Load(out_ / "topology.key", *unlock_).value();
        const keys::BlobKey blob = keys::ReadBlobKey(topology).value();
        EXPECT_FALSE(names.contains(ToHex(blob.id) + ".blob"));
        const Bytes sealed = Contents(out_ / (ToHex(blob.id) + ".blob"));
        for (const Bytes& killed : left) {
          if (killed.size() < kSealedChunkBytes) continue;
          ++sealed_runs;
          // The same plaintext under the same key and nonce would be the same first chunk.
          EXPECT_FALSE(std::equal(killed.begin(), killed.begin() + 64, sealed.begin()));
        }
      });
  if (kills < 0) GTEST_SKIP() << "this system lets nobody trace";
  EXPECT_GT(sealed_runs, 3);
}

}  // namespace
}  // namespace ephemeralml
