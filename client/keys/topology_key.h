#pragma once
// The topology key on the client's disk: a serialized wire::Topology, sealed under a passphrase or
// a key file. Whoever has the file alone learns its length. Format: docs/formats/topology_key.md.

#include <filesystem>

#include "client/keys/unlock.h"
#include "common/base/secret_bytes.h"
#include "common/crypto/kdf.h"

namespace ephemeralml::keys {

/// What a sealed file is: each kind has first bytes of its own, which are authenticated.
enum class SealedKind {
  kTopologyKey,
  kRotation,  ///< of rotation.h
};

/// Seals the message and writes it atomically, with mode 0600.
/// Errors: kOverLimit `topology_key_too_large`, `memory_unavailable`; kIo `file_unwritable`.
Done Save(const std::filesystem::path& path, const SecretBytes& topology_message,
          const Unlock& unlock, SealedKind kind = SealedKind::kTopologyKey);

/// Reads the file and opens it. The file is hostile.
/// Errors: those of ReadFile and OpenTopologyKey.
Result<SecretBytes> Load(const std::filesystem::path& path, const Unlock& unlock,
                         SealedKind kind = SealedKind::kTopologyKey);

/// Seals the file's content anew, under `after`: new salt, new nonce, and the old file stays until
/// the new one is durable. A symbolic link stays one. Errors: those of Load and Save.
Done Rewrap(const std::filesystem::path& path, const Unlock& before, const Unlock& after);

/// What a topology key says of itself without being opened. Nothing vouches for it.
struct SealedDescription {
  uint8_t format_version = 0;
  Unlock::Kind unlocked_by = Unlock::Kind::kPassphrase;
  crypto::ScryptCost cost;   ///< zeros with a key file
  size_t message_bytes = 0;  ///< of the sealed message
};

/// Errors: as OpenTopologyKey's about the header.
Result<SealedDescription> DescribeTopologyKey(ByteSpan file);
/// Errors: those of ReadFile too.
Result<SealedDescription> Describe(const std::filesystem::path& path);

/// The file's bytes. `cost` applies to passphrases. Every call draws a salt and a nonce.
/// Binds: the header (version, how it is unlocked, cost, salt, nonce) as associated data.
/// Errors: kOverLimit `topology_key_too_large`, `memory_unavailable`.
Result<Bytes> SealTopologyKey(const SecretBytes& topology_message, const Unlock& unlock,
                              crypto::ScryptCost cost = {},
                              SealedKind kind = SealedKind::kTopologyKey);

/// Errors: kMalformed `topology_key_malformed` (not such a file), kUnsupported
/// `topology_key_version_unsupported`, kInvalidArgument `unlock_mismatch` (a key file for a
/// passphrase's key or the reverse), kUnauthentic `topology_key_unauthentic` (wrong passphrase or
/// key file, or an altered file: they can't be told apart), kOverLimit `memory_unavailable`.
Result<SecretBytes> OpenTopologyKey(ByteSpan file, const Unlock& unlock,
                                    SealedKind kind = SealedKind::kTopologyKey);

}  // namespace ephemeralml::keys
