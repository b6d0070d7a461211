#include "common/net/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

namespace ephemeralml::net {
namespace {

constexpr int kBacklog = 128;

Error LostConnection() { return ErrnoError("connection_lost", "the connection failed"); }

Done WaitFor(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd entry = {fd, events, 0};
    const int timeout_ms = static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30));
    const int ready = poll(&entry, 1, timeout_ms);
    if (ready > 0) return {};
    if (ready == 0) {
      return Error{Code::kIo, "deadline_exceeded", "the peer took too long"};
    }
    if (errno != EINTR) return LostConnection();
  }
}

const sockaddr* AsSocketAddress(const ResolvedAddress& address) {
  return reinterpret_cast<const sockaddr*>(address.data());
}

template <class SocketAddress>
ResolvedAddress ToBytes(const SocketAddress& address) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&address);
  return ResolvedAddress(bytes, bytes + sizeof address);
}

ResolvedAddress VsockAddress(const Address& address) {
  static_assert(kAnyContext == VMADDR_CID_ANY);
  sockaddr_vm resolved = {};
  resolved.svm_family = AF_VSOCK;
  resolved.svm_cid = *address.context;
  resolved.svm_port = address.port;
  return ToBytes(resolved);
}

// Of TCP; a hypervisor's sockets never wait for more.
void SendSmallWritesAtOnce(int fd) {
  const int on = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Deadline After(int64_t milliseconds) {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
}

Result<ResolvedAddress> Resolve(const Address& address) {
  if (address.context) return VsockAddress(address);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int status = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (status != 0) {
    return Error{Code::kIo, "address_unresolved",
                 "can't resolve " + address.Authority() + ": " + gai_strerror(status)};
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  const auto* bytes = reinterpret_cast<const uint8_t*>(found->ai_addr);
  return ResolvedAddress(bytes, bytes + found->ai_addrlen);
}

Result<UniqueFd> Connect(const ResolvedAddress& address, Deadline deadline) {
  const sockaddr* to = AsSocketAddress(address);
  UniqueFd fd(socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.IsOpen()) return ErrnoError("connection_refused", "can't make a socket");
  if (connect(fd.Get(), to, static_cast<socklen_t>(address.size())) != 0) {
    if (errno != EINPROGRESS) return ErrnoError("connection_refused", "can't connect");
    TRY_OK(WaitWritable(fd.Get(), deadline));
    int error = 0;
    socklen_t size = sizeof error;
    (void)getsockopt(fd.Get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      errno = error;
      return ErrnoError("connection_refused", "can't connect");
    }
  }
  SendSmallWritesAtOnce(fd.Get());
  return fd;
}

Result<UniqueFd> Listen(const Address& address) {
  TRY(const ResolvedAddress resolved, Resolve(address));
  const sockaddr* at = AsSocketAddress(resolved);
  UniqueFd fd(socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!fd.IsOpen() || setsockopt(fd.Get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd.Get(), at, static_cast<socklen_t>(resolved.size())) != 0 ||
      listen(fd.Get(), kBacklog) != 0) {
    return ErrnoError("listen_failed", "can't listen on " + address.Url());
  }
  return fd;
}

int FamilyOf(const ResolvedAddress& address) { return AsSocketAddress(address)->sa_family; }

UniqueFd Accept(int listener) {
  UniqueFd client(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (client.IsOpen()) SendSmallWritesAtOnce(client.Get());
  return client;
}

Result<uint32_t> BoundPort(int listener) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return ErrnoError("listen_failed", "can't read the listening port");
  }
  if (storage.ss_family == AF_VSOCK) {
    return reinterpret_cast<const sockaddr_vm*>(&storage)->svm_port;
  }
  if (storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

Done WaitReadable(int fd, Deadline deadline) { return WaitFor(fd, POLLIN, deadline); }
Done WaitWritable(int fd, Deadline deadline) { return WaitFor(fd, POLLOUT, deadline); }

Done SendAll(int fd, ByteSpan bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t count = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(count));
    } else if (errno == EAGAIN) {
      TRY_OK(WaitWritable(fd, deadline));
    } else if (errno != EINTR) {
      return LostConnection();
    }
  }
  return {};
}

Result<size_t> ReceiveSome(int fd, MutableByteSpan buffer, Deadline deadline) {
  for (;;) {
    const ssize_t count = recv(fd, buffer.data(), buffer.size(), 0);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno == EAGAIN) {
      TRY_OK(WaitReadable(fd, deadline));
    } else if (errno != EINTR) {
      return LostConnection();
    }
  }
}

}  // namespace ephemeralml::net
