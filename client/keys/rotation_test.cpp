#include "client/keys/rotation.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "client/keys/blob_key.h"
#include "client/keys/topology_key.h"
#include "common/base/file.h"
#include "common/crypto/blob_cipher.h"
#include "common/crypto/random.h"
#include "common/wire/topology.pb.h"

namespace ephemeralml::keys {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kChunks = 9;
constexpr size_t kSealedChunkBytes = wire::kChunkBytes + wire::kTagBytes;

// A model as decompose leaves it: the opened key, and its blob with chunks that differ.
struct Model {
  SecretBytes topology;
  Bytes blob = {};
  Bytes plaintext = {};
};

Model MakeModel(uint32_t operator_version = 17) {
  Model model;
  BlobKey key{
      .secret = crypto::RandomSecret(32), .chunk_count = kChunks, .chunk_bytes = wire::kChunkBytes};
  crypto::FillRandom(key.id);
  wire::Topology message;
  message.set_format_version(1);
  message.mutable_blob()->set_id(std::string(16, 'x'));
  message.add_operator_sets()->set_version(operator_version);
  const std::string bytes = message.SerializeAsString();
  model.topology = ReplaceBlobKey(SecretBytes::CopyOf(AsBytes(bytes)), key).value();
  const auto cipher =
      crypto::BlobCipher::Create(key.secret, key.id, kChunks, wire::kChunkBytes).value();
  model.blob.resize(kChunks * kSealedChunkBytes);
  model.plaintext.resize(kChunks * wire::kChunkBytes);
  crypto::FillRandom(model.plaintext);
  for (uint64_t i = 0; i < kChunks; ++i) {
    cipher->Seal(wire::ChunkIndex(i),
                 ByteSpan(model.plaintext).subspan(i * wire::kChunkBytes, wire::kChunkBytes),
                 MutableByteSpan(model.blob).subspan(i * kSealedChunkBytes, kSealedChunkBytes));
  }
  return model;
}

// The old blob from memory, in awkward pieces; `most_bytes` of it before it breaks off.
OpenBlobFn From(const Bytes& blob, uint64_t most_bytes = UINT64_MAX) {
  return [&blob, most_bytes](const wire::BlobId&, uint64_t first, uint64_t) -> Result<BlobSource> {
    return BlobSource(
        [&blob, most_bytes, at = first](MutableByteSpan out) mutable -> Result<size_t> {
          if (at >= most_bytes) return Error{Code::kIo, "connection_lost", "the host went away"};
          const size_t count =
              std::min<uint64_t>({out.size(), blob.size() - at, most_bytes - at, 9973});
          std::copy_n(blob.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
          at += count;
          return count;
        });
  };
}

class RotationTest : public testing::Test {
 protected:
  ~RotationTest() override { fs::remove_all(folder_.parent_path()); }

  static fs::path TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "rotation.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    return name;
  }
  Unlock KeyFile(const std::string& name = "unlock") {
    const fs::path path = folder_.parent_path() / name;
    if (!fs::exists(path)) CHECK(CreateKeyFile(path).has_value());
    return Unlock::FromKeyFile(path).value();
  }
  Result<RotationReport> Run(const Model& model, const OpenBlobFn& open_blob,
                             StoreBlobFn store_blob = {}) {
    return Rotate({.folder = folder_,
                   .topology = model.topology,
                   .unlock = unlock_,
                   .open_blob = open_blob,
                   .store_blob = std::move(store_blob)});
  }
  std::string Reason(const Result<RotationReport>& report) {
    return report ? "rotated" : std::string(report.error().reason);
  }
  std::set<std::string> Files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  fs::path Unfinished() const {
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().string().ends_with(".blob.rotating")) return entry.path();
    }
    return {};
  }
  // What the new key opens the new blob to; the test fails where a chunk doesn't open.
  Bytes Opened(const RotationReport& report) {
    const BlobKey key = ReadBlobKey(Load(report.key, unlock_).value()).value();
    EXPECT_EQ(key.id, report.new_id);
    const auto cipher =
        crypto::BlobCipher::Create(key.secret, key.id, key.chunk_count, key.chunk_bytes).value();
    const Bytes blob = ReadFile(report.blob, 1 << 24).value();
    EXPECT_EQ(blob.size(), kChunks * kSealedChunkBytes);
    Bytes plaintext(kChunks * wire::kChunkBytes);
    for (uint64_t i = 0; i < kChunks; ++i) {
      EXPECT_TRUE(cipher->Open(
          wire::ChunkIndex(i), ByteSpan(blob).subspan(i * kSealedChunkBytes, kSealedChunkBytes),
          MutableByteSpan(plaintext).subspan(i * wire::kChunkBytes, wire::kChunkBytes)));
    }
    return plaintext;
  }

  const fs::path folder_ = TemporaryFolder() / "new";
  const Unlock unlock_ = KeyFile();
  const Model model_ = MakeModel();
};

TEST_F(RotationTest, SealsTheSameWeightsUnderANewIdAndSecret) {
  const auto report = Run(model_, From(model_.blob)).value();
  EXPECT_EQ(Opened(report), model_.plaintext);
  const BlobKey before = ReadBlobKey(model_.topology).value();
  const BlobKey after = ReadBlobKey(Load(report.key, unlock_).value()).value();
  EXPECT_NE(before.id, after.id);
  EXPECT_FALSE(std::ranges::equal(before.secret.Reveal(), after.secret.Reveal()));
  EXPECT_EQ(after.secret.size(), 32U);
  EXPECT_EQ(Files(), (std::set<std::string>{"topology.key", ToHex(after.id) + ".blob"}));
  EXPECT_EQ(report.chunks_found, 0U);
  struct stat status = {};
  ASSERT_EQ(stat(report.key.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(RotationTest, KeepsEverythingElseOfTheTopology) {
  const auto report = Run(model_, From(model_.blob)).value();
  const SecretBytes after = Load(report.key, unlock_).value();
  const SecretBytes back = ReplaceBlobKey(after, ReadBlobKey(model_.topology).value()).value();
  EXPECT_TRUE(std::ranges::equal(back.Reveal(), model_.topology.Reveal()));
}

TEST_F(RotationTest, GoesOnAfterTheOldBlobBrokeOffAnywhere) {
  for (uint64_t most = 1; most < model_.blob.size(); most += 3571) {
    ASSERT_EQ(Reason(Run(model_, From(model_.blob, most))), "connection_lost");
    EXPECT_FALSE(fs::exists(folder_ / "topology.key"));
    const Bytes before = ReadFile(Unfinished(), 1 << 24).value();
    EXPECT_EQ(before.size(), most / kSealedChunkBytes * kSealedChunkBytes);
    const auto report = Run(model_, From(model_.blob)).value();
    EXPECT_EQ(report.chunks_found, most / kSealedChunkBytes);
    const Bytes after = ReadFile(report.blob, 1 << 24).value();
    EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin())) << most;
    EXPECT_EQ(Opened(report), model_.plaintext);
    fs::remove_all(folder_);
  }
}

// What a machine may leave of a file that it hadn't synced: cut anywhere, zeros, or garbage.
TEST_F(RotationTest, RepeatsTheSameBytesWhateverIsLeftOfTheUnfinishedBlob) {
  ASSERT_FALSE(Run(model_, From(model_.blob, model_.blob.size() - 1)));
  const fs::path unfinished = Unfinished();
  const Bytes written = ReadFile(unfinished, 1 << 24).value();
  Bytes finished;
  for (size_t damage = 0; damage < 12; ++damage) {
    Bytes left = written;
    const size_t at = damage * 10'007 % written.size();
    if (damage % 4 == 0) left.resize(at);
    if (damage % 4 == 1) std::fill(left.begin() + static_cast<std::ptrdiff_t>(at), left.end(), 0);
    if (damage % 4 == 2) left[at] ^= 1;
    if (damage % 4 == 3) left.insert(left.end(), 100'000, 0x5a);
    const Bytes state = ReadFile(folder_ / "topology.key.rotating", 1 << 20).value();
    ASSERT_TRUE(WriteFileAtomically(unfinished, left, 0600));
    const auto report = Run(model_, From(model_.blob)).value();
    const Bytes blob = ReadFile(report.blob, 1 << 24).value();
    if (finished.empty()) finished = blob;
    EXPECT_EQ(blob, finished) << damage;
    EXPECT_TRUE(std::equal(written.begin(), written.end(), blob.begin())) << damage;
    fs::remove(report.blob);
    fs::remove(report.key);
    ASSERT_TRUE(WriteFileAtomically(folder_ / "topology.key.rotating", state, 0600));
  }
}

TEST_F(RotationTest, RefusesEveryAlteredChunkAndLeavesNothingThatLooksComplete) {
  for (uint64_t chunk = 0; chunk < kChunks; ++chunk) {
    Bytes altered = model_.blob;
    altered[chunk * kSealedChunkBytes + chunk * 1999] ^= 0x40;
    EXPECT_EQ(Reason(Run(model_, From(altered))), "weights_unauthentic") << chunk;
    const fs::path unfinished = Unfinished();
    EXPECT_EQ(Files(), (std::set<std::string>{"topology.key.rotating", unfinished.filename()}));
    EXPECT_EQ(fs::file_size(unfinished), chunk * kSealedChunkBytes);
  }
  // The right blob then completes what was begun.
  const auto report = Run(model_, From(model_.blob)).value();
  EXPECT_EQ(report.chunks_found, kChunks - 1);
  EXPECT_EQ(Opened(report), model_.plaintext);
}

TEST_F(RotationTest, RefusesABlobOfAnotherLengthAndAnotherBlob) {
  Bytes shorter = model_.blob;
  shorter.resize(shorter.size() - kSealedChunkBytes);
  EXPECT_EQ(Reason(Run(model_, From(shorter))), "blob_incomplete");
  EXPECT_FALSE(fs::exists(folder_ / "topology.key"));
  fs::remove_all(folder_);
  Bytes longer = model_.blob;
  longer.push_back(0);
  EXPECT_EQ(Reason(Run(model_, From(longer))), "blob_incomplete");
  EXPECT_FALSE(fs::exists(folder_ / "topology.key"));
  fs::remove_all(folder_);
  const Model other = MakeModel();
  EXPECT_EQ(Reason(Run(model_, From(other.blob))), "weights_unauthentic");
}

// Two models of one architecture differ in their blobs alone: what was begun for one is never gone
// on with for the other, since that would seal two inputs under one nonce.
TEST_F(RotationTest, RefusesToGoOnWithAnotherKeysRotation) {
  ASSERT_FALSE(Run(model_, From(model_.blob, 100'000)));
  const auto before = Files();
  const Model other = MakeModel();
  EXPECT_EQ(Reason(Run(other, From(other.blob))), "rotation_mismatch");
  EXPECT_EQ(Files(), before);
  EXPECT_TRUE(Run(model_, From(model_.blob)));
}

TEST_F(RotationTest, RefusesAFolderThatHasAKey) {
  const auto report = Run(model_, From(model_.blob)).value();
  const Bytes key = ReadFile(report.key, 1 << 20).value();
  EXPECT_EQ(Reason(Run(model_, From(model_.blob))), "topology_key_exists");
  EXPECT_EQ(ReadFile(report.key, 1 << 20).value(), key);
}

TEST_F(RotationTest, RefusesAnUnfinishedRotationThatItCantOpen) {
  ASSERT_FALSE(Run(model_, From(model_.blob, 100'000)));
  const Unlock other = KeyFile("other");
  const auto refused = Rotate({.folder = folder_,
                               .topology = model_.topology,
                               .unlock = other,
                               .open_blob = From(model_.blob)});
  EXPECT_EQ(Reason(refused), "topology_key_unauthentic");
  const Bytes state = ReadFile(folder_ / "topology.key.rotating", 1 << 20).value();
  EXPECT_EQ(OpenTopologyKey(state, unlock_).error().reason, "topology_key_malformed");
}

TEST_F(RotationTest, ShowsTheNewKeyOnlyWhenTheNewBlobIsStored) {
  int calls = 0;
  const auto store = [&](const wire::BlobId& id, const fs::path& blob) -> Done {
    EXPECT_FALSE(fs::exists(folder_ / "topology.key"));
    EXPECT_EQ(blob.filename(), ToHex(id) + ".blob");
    EXPECT_EQ(fs::file_size(blob), model_.blob.size());
    if (++calls == 1) return Error{Code::kIo, "blob_refused", "the host's disk is full"};
    return {};
  };
  EXPECT_EQ(Reason(Run(model_, From(model_.blob), store)), "blob_refused");
  EXPECT_FALSE(fs::exists(folder_ / "topology.key"));
  // The blob is sealed; nothing of the old one is asked for again.
  const OpenBlobFn nobody = [](const wire::BlobId&, uint64_t, uint64_t) -> Result<BlobSource> {
    return Error{Code::kIo, "connection_refused", "nobody listens"};
  };
  const auto report = Run(model_, nobody, store).value();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(report.chunks_found, kChunks);
  EXPECT_EQ(Opened(report), model_.plaintext);
}

TEST_F(RotationTest, RefusesASecondProcessInTheSameFolder) {
  const OpenBlobFn open_blob = [&](const wire::BlobId&, uint64_t, uint64_t) -> Result<BlobSource> {
    const auto second = Run(model_, From(model_.blob));
    return Error{Code::kIo, second ? "file_unwritable" : second.error().reason, ""};
  };
  EXPECT_EQ(Reason(Run(model_, open_blob)), "rotation_running");
}

TEST_F(RotationTest, RefusesAnImpossibleBlobBeforeItWritesAnything) {
  BlobKey key = ReadBlobKey(model_.topology).value();
  key.chunk_count = 0;
  const Model broken{.topology = ReplaceBlobKey(model_.topology, key).value()};
  EXPECT_EQ(Reason(Run(broken, From(broken.blob))), "blob_malformed");
  EXPECT_TRUE(Files().empty());
}

TEST(ReadBlobKey, RefusesWhatIsNoTopology) {
  EXPECT_EQ(ReadBlobKey(SecretBytes::CopyOf(AsBytes("nonsense"))).error().reason,
            "topology_malformed");
  EXPECT_EQ(ReadBlobKey(SecretBytes()).error().reason, "topology_malformed");
  EXPECT_EQ(ReplaceBlobKey(SecretBytes(), BlobKey()).error().reason, "topology_malformed");
}

}  // namespace
}  // namespace ephemeralml::keys
