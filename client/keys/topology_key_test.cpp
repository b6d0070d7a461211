#include "client/keys/topology_key.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>

#include "client/keys/topology_key_format.h"
#include "common/base/file.h"
#include "common/crypto/aes_gcm.h"
#include "common/crypto/random.h"

namespace ephemeralml::keys {
namespace {

constexpr crypto::ScryptCost kCheap{.log2_n = kLeastLog2N, .r = kScryptR, .p = 1};

Unlock Passphrase(std::string_view text) {
  return Unlock::FromPassphrase(SecretBytes::CopyOf(AsBytes(text))).value();
}

class TopologyKeyTest : public testing::Test {
 protected:
  TopologyKeyTest() {
    std::string name = (std::filesystem::temp_directory_path() / "keys.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~TopologyKeyTest() override { std::filesystem::remove_all(folder_); }

  Unlock KeyFile(const std::string& name = "key") {
    if (!std::filesystem::exists(folder_ / name)) CHECK(CreateKeyFile(folder_ / name).has_value());
    return Unlock::FromKeyFile(folder_ / name).value();
  }
  std::string Outcome(ByteSpan file, const Unlock& unlock) {
    const auto message = OpenTopologyKey(file, unlock);
    if (!message) return std::string(message.error().reason);
    return std::ranges::equal(message->Reveal(), message_.Reveal()) ? "opened" : "other content";
  }

  std::filesystem::path folder_;
  const SecretBytes message_ = crypto::RandomSecret(300);
};

TEST_F(TopologyKeyTest, OpensWithWhatSealedIt) {
  EXPECT_EQ(Outcome(SealTopologyKey(message_, Passphrase("a"), kCheap).value(), Passphrase("a")),
            "opened");
  EXPECT_EQ(Outcome(SealTopologyKey(message_, KeyFile()).value(), KeyFile()), "opened");
}

TEST_F(TopologyKeyTest, IsLaidOutAsTheFormatSays) {
  const Bytes file = SealTopologyKey(message_, Passphrase("a"), kCheap).value();
  ASSERT_EQ(file.size(), 60 + 300 + 16U);
  EXPECT_EQ(AsText(ByteSpan(file).first(7)), "EMLTOPO");
  EXPECT_EQ(ToHex(ByteSpan(file).subspan(7, 9)), "0001010a0801000000");
  const Bytes by_file = SealTopologyKey(message_, KeyFile()).value();
  EXPECT_EQ(ToHex(ByteSpan(by_file).subspan(7, 9)), "000102000000000000");
}

// By hand, from the format's description alone.
TEST_F(TopologyKeyTest, BindsTheHeaderAsAssociatedDataUnderTheKeyThatTheFormatSays) {
  const Bytes by_passphrase = SealTopologyKey(message_, Passphrase("a"), kCheap).value();
  const Unlock key_file = KeyFile();
  const Bytes by_file = SealTopologyKey(message_, key_file).value();
  const auto open_by_hand = [](ByteSpan file, const SecretBytes& key, ByteSpan associated) {
    crypto::GcmNonce nonce;
    std::ranges::copy(file.subspan(48, 12), nonce.begin());
    return crypto::OpenAesGcm(key, nonce, associated, file.subspan(60)).has_value();
  };
  const SecretBytes passphrase = SecretBytes::CopyOf(AsBytes("a"));
  const SecretBytes stretched =
      crypto::Scrypt(passphrase, ByteSpan(by_passphrase).subspan(16, 32), kCheap, 32).value();
  EXPECT_TRUE(open_by_hand(by_passphrase, stretched, ByteSpan(by_passphrase).first(60)));
  EXPECT_FALSE(open_by_hand(by_passphrase, stretched, {}));
  EXPECT_FALSE(open_by_hand(by_passphrase, stretched, ByteSpan(by_passphrase).first(59)));
  const SecretBytes derived = crypto::HkdfSha384(
      key_file.secret(), ByteSpan(by_file).subspan(16, 32), "EphemeralML topology key 1", 32);
  EXPECT_TRUE(open_by_hand(by_file, derived, ByteSpan(by_file).first(60)));
  EXPECT_FALSE(open_by_hand(by_file, derived, {}));
}

TEST_F(TopologyKeyTest, CostsWhatTheFormatSaysUnlessToldOtherwise) {
  const Bytes file = SealTopologyKey(message_, Passphrase("a")).value();
  const SealedDescription described = DescribeTopologyKey(file).value();
  EXPECT_EQ(described.cost.log2_n, 17);
  EXPECT_EQ(described.cost.r, 8);
  EXPECT_EQ(described.cost.p, 1);
  EXPECT_EQ(described.message_bytes, 300U);
  EXPECT_EQ(described.unlocked_by, Unlock::Kind::kPassphrase);
  EXPECT_EQ(described.format_version, 1);
  EXPECT_EQ(DescribeTopologyKey(ByteSpan(file).first(75)).error().reason, "topology_key_malformed");
}

TEST_F(TopologyKeyTest, NeverTakesARotationForATopologyKey) {
  const Unlock unlock = KeyFile();
  Bytes file = SealTopologyKey(message_, unlock, {}, SealedKind::kRotation).value();
  EXPECT_TRUE(OpenTopologyKey(file, unlock, SealedKind::kRotation));
  EXPECT_EQ(Outcome(file, unlock), "topology_key_malformed");
  std::ranges::copy(kTopologyKeyMagic, file.begin());
  EXPECT_EQ(Outcome(file, unlock), "topology_key_unauthentic");
}

TEST_F(TopologyKeyTest, RefusesTheWrongPassphraseOrKeyFile) {
  const Bytes by_passphrase = SealTopologyKey(message_, Passphrase("a"), kCheap).value();
  const Bytes by_file = SealTopologyKey(message_, KeyFile()).value();
  EXPECT_EQ(Outcome(by_passphrase, Passphrase("b")), "topology_key_unauthentic");
  EXPECT_EQ(Outcome(by_file, KeyFile("other")), "topology_key_unauthentic");
  EXPECT_EQ(Outcome(by_passphrase, KeyFile()), "unlock_mismatch");
  EXPECT_EQ(Outcome(by_file, Passphrase("a")), "unlock_mismatch");
}

TEST_F(TopologyKeyTest, RefusesEveryBitFlip) {
  const Unlock unlock = KeyFile();
  Bytes file = SealTopologyKey(message_, unlock).value();
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    file[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_NE(Outcome(file, unlock), "opened") << bit;
    file[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
}

TEST_F(TopologyKeyTest, RefusesEveryBitFlipInAPassphrasesHeader) {
  const Unlock unlock = Passphrase("a");
  Bytes file = SealTopologyKey(message_, unlock, kCheap).value();
  for (size_t bit = 0; bit < kTopologyKeyHeaderBytes * 8; ++bit) {
    file[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_NE(Outcome(file, unlock), "opened") << bit;
    file[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
}

TEST_F(TopologyKeyTest, RefusesTruncationAtEveryByteAndExcess) {
  const Unlock unlock = KeyFile();
  Bytes file = SealTopologyKey(message_, unlock).value();
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(Outcome(ByteSpan(file).first(size), unlock), "opened") << size;
  }
  file.push_back(0);
  EXPECT_EQ(Outcome(file, unlock), "topology_key_unauthentic");
}

// A file can't make its reader work for hours or take all memory.
TEST_F(TopologyKeyTest, RefusesACostOutOfBoundsBeforePayingIt) {
  const Unlock unlock = Passphrase("a");
  const Bytes good = SealTopologyKey(message_, unlock, kCheap).value();
  const auto with = [&](size_t at, uint8_t value) {
    Bytes file = good;
    file[at] = value;
    return Outcome(file, unlock);
  };
  for (const uint8_t log2_n : {uint8_t{0}, uint8_t{9}, uint8_t{21}, uint8_t{63}, uint8_t{255}}) {
    EXPECT_EQ(with(10, log2_n), "topology_key_malformed");
  }
  EXPECT_EQ(with(11, 0), "topology_key_malformed");
  EXPECT_EQ(with(11, 255), "topology_key_malformed");
  EXPECT_EQ(with(12, 0), "topology_key_malformed");
  EXPECT_EQ(with(12, 5), "topology_key_malformed");
}

TEST_F(TopologyKeyTest, RefusesAnotherVersionByName) {
  Bytes file = SealTopologyKey(message_, KeyFile()).value();
  file[8] = 2;
  EXPECT_EQ(Outcome(file, KeyFile()), "topology_key_version_unsupported");
}

TEST_F(TopologyKeyTest, NeverSealsAlike) {
  EXPECT_NE(SealTopologyKey(message_, KeyFile()).value(),
            SealTopologyKey(message_, KeyFile()).value());
}

TEST_F(TopologyKeyTest, SavesPrivatelyAndLoads) {
  const auto path = folder_ / "model.key";
  ASSERT_TRUE(Save(path, message_, Passphrase("a")));
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  const SecretBytes loaded = Load(path, Passphrase("a")).value();
  EXPECT_TRUE(std::ranges::equal(loaded.Reveal(), message_.Reveal()));
  EXPECT_EQ(Load(folder_ / "none", Passphrase("a")).error().reason, "file_not_found");
}

}  // namespace
}  // namespace ephemeralml::keys
