#pragma once
// Opens the chunks of one blob and seals them as the chunks of another, one at a time.

#include "client/keys/rotation.h"
#include "common/crypto/blob_cipher.h"

namespace ephemeralml::keys {

/// How many of the chunks in the file, from the first on, `cipher` opens: what an interrupted run
/// wrote. A chunk that opens is the one that would be written again, for nobody else has the key.
/// Errors: kIo `file_unreadable`.
Result<uint64_t> CountSealedChunks(int fd, const crypto::BlobCipher& cipher);

/// Seals chunks `first` and following of `source`, which begins there, into the file, which ends
/// there. Errors: kUnauthentic `weights_unauthentic` (a chunk of `source` isn't what was sealed;
/// the chunks before it are written), `blob_incomplete`; kIo `file_unwritable`; those of `source`.
Done SealAgain(const crypto::BlobCipher& from, const crypto::BlobCipher& to, uint64_t first,
               const BlobSource& source, int fd, const RotationProgressFn& progress);

}  // namespace ephemeralml::keys
