#pragma once
// What a tunnel and TLS 1.3 cost by themselves: a process that sends back what it gets, and a
// client of it. No frames, no padding, no evidence; the TLS settings are the product's.

#include <sys/types.h>

#include "common/channel/channel.h"
#include "common/net/address.h"

namespace ephemeralml::bench {

/// Listens on loopback from its making to its end, as a process of its own; answers one connection
/// after the other. Threads: make it before there are any.
class PlainEcho {
 public:
  /// For messages of `bytes` bytes.
  explicit PlainEcho(size_t bytes);
  ~PlainEcho();
  PlainEcho(const PlainEcho&) = delete;
  PlainEcho& operator=(const PlainEcho&) = delete;

  uint16_t port() const { return port_; }

 private:
  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

/// A TLS connection to whatever `host` forwards to. Errors: those of OpenTunnel and Channel.
Result<channel::Channel> ConnectPlainly(const net::Address& host, const std::string& enclave_name);

/// Sends `bytes` and takes as many back into them.
Done SendAround(channel::Channel& channel, MutableByteSpan bytes);

}  // namespace ephemeralml::bench
