#include "enclave/serve/control.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace ephemeralml::serve {
namespace {

Error LostControl() {
  return {Code::kIo, "control_lost", "another of the enclave's processes is gone"};
}

Error MalformedControl() {
  return {Code::kMalformed, "control_malformed",
          "another of the enclave's processes broke protocol"};
}

// The descriptors of a received message; all but the first are closed at once.
UniqueFd TakeDescriptor(msghdr& header) {
  UniqueFd first;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      UniqueFd owned(fd);
      if (!first.IsOpen()) first = std::move(owned);
    }
  }
  return first;
}

}  // namespace

Bytes FetchOrder::Encode() const {
  Bytes body(id.begin(), id.end());
  AppendU64BigEndian(body, sealed_bytes);
  return body;
}

Result<FetchOrder> FetchOrder::Decode(ByteSpan body) {
  ByteReader reader(body);
  FetchOrder order;
  TRY(const ByteSpan id, reader.ReadBytes(order.id.size()));
  std::ranges::copy(id, order.id.begin());
  TRY(order.sealed_bytes, reader.ReadU64BigEndian());
  TRY_OK(reader.ExpectEnd());
  return order;
}

Error ToError(FetchOutcome outcome) {
  switch (outcome) {
    case FetchOutcome::kIncomplete:
      return {Code::kUnauthentic, "blob_incomplete",
              "the host doesn't have the model's weight blob, or not all of it; upload it again"};
    case FetchOutcome::kTooLarge:
      return {Code::kOverLimit, "blob_too_large",
              "the weight blob is larger than this enclave's cache; raise --cache-limit"};
    case FetchOutcome::kUnreachable:
    case FetchOutcome::kFetched:
      break;
  }
  return {Code::kIo, "blob_store_unreachable",
          "the enclave can't reach the host's blob store; check the host's address"};
}

Result<std::pair<UniqueFd, UniqueFd>> MakeControlPair() {
  std::array<int, 2> fds = {};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) != 0) {
    return ErrnoError("process_start_failed", "can't make a socket pair");
  }
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

Done SendControl(int socket, ControlKind kind, ByteSpan body, int descriptor) {
  CHECK(body.size() <= kLargestControlBody);
  uint32_t number = static_cast<uint32_t>(kind);
  std::array<iovec, 2> parts = {iovec{&number, sizeof number},
                                iovec{const_cast<uint8_t*>(body.data()), body.size()}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> ancillary = {};
  msghdr header = {};
  header.msg_iov = parts.data();
  header.msg_iovlen = parts.size();
  if (descriptor >= 0) {
    header.msg_control = ancillary.data();
    header.msg_controllen = ancillary.size();
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
  }
  // Few and small messages: a full socket means that the other process stopped reading.
  while (sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno != EINTR) return LostControl();
  }
  return {};
}

Result<ControlMessage> ReceiveControl(int socket, net::Deadline deadline) {
  TRY_OK(net::WaitReadable(socket, deadline));
  uint32_t number = 0;
  Bytes body(kLargestControlBody);
  std::array<iovec, 2> parts = {iovec{&number, sizeof number}, iovec{body.data(), body.size()}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> ancillary = {};
  msghdr header = {};
  header.msg_iov = parts.data();
  header.msg_iovlen = parts.size();
  header.msg_control = ancillary.data();
  header.msg_controllen = ancillary.size();
  const ssize_t count = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (count <= 0) return LostControl();
  UniqueFd descriptor = TakeDescriptor(header);
  if (static_cast<size_t>(count) < sizeof number ||
      (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return MalformedControl();
  }
  body.resize(static_cast<size_t>(count) - sizeof number);
  return ControlMessage{static_cast<ControlKind>(number), std::move(body), std::move(descriptor)};
}

Result<ControlMessage> ExpectControl(int socket, ControlKind kind, net::Deadline deadline) {
  TRY(ControlMessage message, ReceiveControl(socket, deadline));
  if (message.kind != kind) return MalformedControl();
  return message;
}

}  // namespace ephemeralml::serve
