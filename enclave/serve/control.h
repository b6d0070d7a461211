#pragma once
// What the enclave's own processes say to each other: whole messages over a SOCK_SEQPACKET pair,
// with at most one descriptor. A worker may be in its client's hands, so the supervisor takes these
// as hostile: fixed sizes, few kinds.

#include <cstdint>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/file.h"
#include "common/net/socket.h"
#include "common/wire/blob_format.h"

namespace ephemeralml::serve {

enum class ControlKind : uint32_t {
  kConfigure = 1,   ///< supervisor → worker or fetcher: its settings
  kReady = 2,       ///< worker → supervisor: set up, waiting for a connection
  kConnection = 3,  ///< supervisor → worker: a client's connection (descriptor)
  kAttest = 4,      ///< worker → supervisor: nonce, user data, public key
  kEvidence = 5,    ///< supervisor → worker: the attestation document, empty if there is none;
                    ///< and the connection (descriptor), if the worker has none yet but a pair
  kFetch = 6,       ///< worker → supervisor → fetcher: FetchOrder
  kBlob = 7,  ///< fetcher → supervisor → worker: FetchOutcome, and the memory file (descriptor)
  kDropBlob = 8,  ///< worker → supervisor: the blob it was given failed a tag
};

struct ControlMessage {
  ControlKind kind = ControlKind::kConfigure;
  Bytes body;
  UniqueFd descriptor;
};

inline constexpr size_t kLargestControlBody = 32 * 1024;

/// A blob to fetch: its id and its exact length.
struct FetchOrder {
  wire::BlobId id = {};
  uint64_t sealed_bytes = 0;

  bool operator==(const FetchOrder&) const = default;
  Bytes Encode() const;
  static Result<FetchOrder> Decode(ByteSpan body);
};

enum class FetchOutcome : uint8_t {
  kFetched = 0,
  kIncomplete = 1,   ///< missing, or of another length
  kUnreachable = 2,  ///< the host doesn't answer as it should
  kTooLarge = 3,     ///< over the cache's limit
};

/// The error that a session reports for an outcome other than kFetched.
Error ToError(FetchOutcome outcome);

/// A connected pair of control sockets.
Result<std::pair<UniqueFd, UniqueFd>> MakeControlPair();

/// Sends one message. Errors: kIo `control_lost` (the other process is gone or doesn't read).
Done SendControl(int socket, ControlKind kind, ByteSpan body, int descriptor = -1);

/// Receives one message. Errors: kIo `control_lost`, `deadline_exceeded`, kMalformed
/// `control_malformed`.
Result<ControlMessage> ReceiveControl(int socket, net::Deadline deadline);

/// As ReceiveControl, for the one kind that may come now. Errors: kMalformed `control_malformed`
/// too.
Result<ControlMessage> ExpectControl(int socket, ControlKind kind, net::Deadline deadline);

}  // namespace ephemeralml::serve
