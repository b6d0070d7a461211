#pragma once
// Stream sockets with deadlines, over TCP and between virtual machines (AF_VSOCK): every wait ends.
// Used by both ends and by the enclave's fetcher; what arrives is hostile, but nothing here looks
// at it.

#include <chrono>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/file.h"
#include "common/net/address.h"

namespace ephemeralml::net {

using Deadline = std::chrono::steady_clock::time_point;

/// The moment `milliseconds` from now.
Deadline After(int64_t milliseconds);

/// A socket address as the kernel takes it: resolved once, usable where files can't be opened.
using ResolvedAddress = std::vector<uint8_t>;

/// Errors: kIo `address_unresolved`.
Result<ResolvedAddress> Resolve(const Address& address);

/// AF_INET, AF_INET6 or AF_VSOCK.
int FamilyOf(const ResolvedAddress& address);

/// Connects. The socket is non-blocking, closes on exec and sends small writes at once.
/// Errors: kIo `connection_refused`, `deadline_exceeded`.
Result<UniqueFd> Connect(const ResolvedAddress& address, Deadline deadline);

/// Listens; port 0 takes a free one. Errors: kIo `listen_failed`.
Result<UniqueFd> Listen(const Address& address);

/// Takes a client that waits; closed if none does. The socket is as Connect's.
UniqueFd Accept(int listener);

/// The port of a listening socket.
Result<uint32_t> BoundPort(int listener);

/// Waits until the socket can be read (or written). Errors: kIo `deadline_exceeded`.
Done WaitReadable(int fd, Deadline deadline);
Done WaitWritable(int fd, Deadline deadline);

/// Sends all. Errors: kIo `connection_lost`, `deadline_exceeded`.
Done SendAll(int fd, ByteSpan bytes, Deadline deadline);

/// Receives at least one byte, or 0 when the peer has ended its side.
/// Errors: kIo `connection_lost`, `deadline_exceeded`.
Result<size_t> ReceiveSome(int fd, MutableByteSpan buffer, Deadline deadline);

}  // namespace ephemeralml::net
