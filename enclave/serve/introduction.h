#pragma once
// Between a client and its worker until the worker has its evidence. A worker may be in its
// client's hands as soon as it has read a message, so evidence is given only before it can have.

#include <poll.h>

#include <array>
#include <cstdint>

#include "common/base/file.h"

namespace ephemeralml::serve {

/// More than a handshake and a nonce need, less than the smallest frame that carries a message.
inline constexpr uint64_t kMostBytesBeforeEvidence = 4096;

/// One client's connection while its worker has no evidence yet. Of a TCP connection the kernel
/// counts what it received, and the worker gets it at once. Of others (AF_VSOCK) it doesn't: there
/// the worker gets one end of a pair, and the supervisor carries the bytes, counts them, and hands
/// the connection over with the evidence. Not for several threads.
class Introduction {
 public:
  /// Takes a client's connection. Errors: kInternal `process_start_failed` (no more descriptors).
  static Result<Introduction> Begin(UniqueFd connection);

  /// What the worker gets now.
  int ForWorker() const { return for_worker_.IsOpen() ? for_worker_.Get() : connection_.Get(); }
  /// The worker has it.
  void Given() { for_worker_.Reset(); }

  /// What to wait for, descriptors of -1 where there is nothing: the client's side, the worker's.
  std::array<pollfd, 2> PollSet() const;
  /// Carries what has arrived, both ways. An end that can't take it at once loses the connection.
  void Carry();

  /// Demands that no message of the client's can have reached the worker, and gives what the worker
  /// goes on with: the connection, or nothing where it has that already. Nothing is carried from
  /// then on. Errors: kUntrusted `worker_broke_protocol`.
  Result<UniqueFd> End();

 private:
  Introduction() = default;

  UniqueFd connection_;
  UniqueFd pair_;  // ours of the two ends; closed where nothing is carried
  UniqueFd for_worker_;
  uint64_t to_worker_ = 0;
  uint64_t to_client_ = 0;
  bool client_ended_ = false;
  bool worker_ended_ = false;
};

}  // namespace ephemeralml::serve
