#include "client/keys/topology_key.h"

#include <algorithm>

#include "client/keys/topology_key_format.h"
#include "common/base/file.h"
#include "common/crypto/aes_gcm.h"
#include "common/crypto/random.h"

namespace ephemeralml::keys {
namespace {

constexpr std::string_view kKeyFileInfo = "EphemeralML topology key 1";
constexpr crypto::ScryptCost kNoCost{.log2_n = 0, .r = 0, .p = 0};
constexpr size_t kLargestFileBytes =
    kTopologyKeyHeaderBytes + kLargestTopologyBytes + crypto::kGcmTagBytes;

struct Header {
  Unlock::Kind kind = Unlock::Kind::kPassphrase;
  crypto::ScryptCost cost;
  std::array<uint8_t, kSaltBytes> salt = {};
  crypto::GcmNonce nonce = {};
};

Error Malformed() {
  return {Code::kMalformed, "topology_key_malformed",
          "this is not a topology key, or only a part of one"};
}

ByteSpan MagicOf(SealedKind kind) {
  return kind == SealedKind::kTopologyKey ? kTopologyKeyMagic : kRotationMagic;
}

Bytes Encode(const Header& header, SealedKind kind) {
  Bytes out;
  AppendBytes(out, MagicOf(kind));
  const bool by_passphrase = header.kind == Unlock::Kind::kPassphrase;
  out.push_back(kTopologyKeyVersion);
  out.push_back(by_passphrase ? kUnlockedByPassphrase : kUnlockedByKeyFile);
  AppendBytes(out, std::array{header.cost.log2_n, header.cost.r, header.cost.p});
  out.resize(16);
  AppendBytes(out, header.salt);
  AppendBytes(out, header.nonce);
  CHECK(out.size() == kTopologyKeyHeaderBytes);
  return out;
}

bool IsAcceptable(const Header& header) {
  const crypto::ScryptCost& cost = header.cost;
  if (header.kind == Unlock::Kind::kKeyFile) return cost.log2_n == 0 && cost.r == 0 && cost.p == 0;
  return cost.log2_n >= kLeastLog2N && cost.log2_n <= kMostLog2N && cost.r == kScryptR &&
         cost.p >= 1 && cost.p <= kMostP;
}

Result<Header> Decode(ByteSpan file, SealedKind sealed_kind) {
  if (file.size() < kTopologyKeyHeaderBytes + crypto::kGcmTagBytes) return Malformed();
  ByteReader reader(file);
  TRY(const ByteSpan magic, reader.ReadBytes(kTopologyKeyMagic.size()));
  if (!std::ranges::equal(magic, MagicOf(sealed_kind))) return Malformed();
  TRY(const uint8_t version, reader.ReadU8());
  if (version != kTopologyKeyVersion) {
    return Error{Code::kUnsupported, "topology_key_version_unsupported",
                 "this topology key has format " + std::to_string(version) +
                     "; this program reads format 1"};
  }
  Header header;
  TRY(const uint8_t kind, reader.ReadU8());
  if (kind != kUnlockedByPassphrase && kind != kUnlockedByKeyFile) return Malformed();
  header.kind = kind == kUnlockedByPassphrase ? Unlock::Kind::kPassphrase : Unlock::Kind::kKeyFile;
  TRY(header.cost.log2_n, reader.ReadU8());
  TRY(header.cost.r, reader.ReadU8());
  TRY(header.cost.p, reader.ReadU8());
  TRY(const ByteSpan zeros, reader.ReadBytes(3));
  TRY(const ByteSpan salt, reader.ReadBytes(kSaltBytes));
  TRY(const ByteSpan nonce, reader.ReadBytes(crypto::GcmNonce::kSize));
  if (std::ranges::any_of(zeros, [](uint8_t byte) { return byte != 0; })) return Malformed();
  if (!IsAcceptable(header)) return Malformed();
  std::ranges::copy(salt, header.salt.begin());
  std::ranges::copy(nonce, header.nonce.begin());
  return header;
}

// Every file has its own salt, so every file has its own key.
Result<SecretBytes> SealingKey(const Unlock& unlock, const Header& header) {
  if (header.kind == Unlock::Kind::kPassphrase) {
    return crypto::Scrypt(unlock.secret(), header.salt, header.cost, crypto::kAesKeyBytes);
  }
  return crypto::HkdfSha384(unlock.secret(), header.salt, kKeyFileInfo, crypto::kAesKeyBytes);
}

}  // namespace

Result<Bytes> SealTopologyKey(const SecretBytes& topology_message, const Unlock& unlock,
                              crypto::ScryptCost cost, SealedKind kind) {
  if (topology_message.size() > kLargestTopologyBytes) {
    return Error{Code::kOverLimit, "topology_key_too_large",
                 "the graph alone takes " + std::to_string(topology_message.size()) +
                     " bytes; at most 256 MiB are supported"};
  }
  Header header{.kind = unlock.kind(), .cost = cost};
  if (unlock.kind() == Unlock::Kind::kKeyFile) header.cost = kNoCost;
  CHECK(IsAcceptable(header));
  crypto::FillRandom(header.salt);
  crypto::FillRandom(header.nonce);
  TRY(const SecretBytes key, SealingKey(unlock, header));
  Bytes file = Encode(header, kind);
  AppendBytes(file, crypto::SealAesGcm(key, header.nonce, file, topology_message.Reveal()));
  return file;
}

Result<SecretBytes> OpenTopologyKey(ByteSpan file, const Unlock& unlock, SealedKind kind) {
  TRY(const Header header, Decode(file, kind));
  if (header.kind != unlock.kind()) {
    return Error{Code::kInvalidArgument, "unlock_mismatch",
                 header.kind == Unlock::Kind::kPassphrase
                     ? "this topology key is sealed under a passphrase, and a key file was given"
                     : "this topology key is sealed under a key file, and a passphrase was given"};
  }
  TRY(const SecretBytes key, SealingKey(unlock, header));
  auto message = crypto::OpenAesGcm(key, header.nonce, file.first(kTopologyKeyHeaderBytes),
                                    file.subspan(kTopologyKeyHeaderBytes));
  if (message) return message;
  return Error{Code::kUnauthentic, "topology_key_unauthentic",
               unlock.kind() == Unlock::Kind::kPassphrase
                   ? "the passphrase is wrong, or the topology key was altered"
                   : "it is another key file's topology key, or it was altered"};
}

Done Save(const std::filesystem::path& path, const SecretBytes& topology_message,
          const Unlock& unlock, SealedKind kind) {
  TRY(const Bytes file, SealTopologyKey(topology_message, unlock, {}, kind));
  return WriteFileAtomically(path, file, 0600);
}

Result<SecretBytes> Load(const std::filesystem::path& path, const Unlock& unlock, SealedKind kind) {
  TRY(const Bytes file, ReadFile(path, kLargestFileBytes));
  return OpenTopologyKey(file, unlock, kind);
}

Done Rewrap(const std::filesystem::path& path, const Unlock& before, const Unlock& after) {
  TRY(const SecretBytes message, Load(path, before));
  // The file itself is replaced, not a link to it.
  std::error_code error;
  const std::filesystem::path file = std::filesystem::canonical(path, error);
  return Save(error ? path : file, message, after);
}

Result<SealedDescription> DescribeTopologyKey(ByteSpan file) {
  TRY(const Header header, Decode(file, SealedKind::kTopologyKey));
  return SealedDescription{
      .format_version = kTopologyKeyVersion,
      .unlocked_by = header.kind,
      .cost = header.cost,
      .message_bytes = file.size() - kTopologyKeyHeaderBytes - crypto::kGcmTagBytes};
}

Result<SealedDescription> Describe(const std::filesystem::path& path) {
  TRY(const Bytes file, ReadFile(path, kLargestFileBytes));
  return DescribeTopologyKey(file);
}

}  // namespace ephemeralml::keys
