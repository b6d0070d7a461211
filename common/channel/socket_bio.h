#pragma once
// How the TLS library reaches the socket: without signals, without blocking, and never past a
// deadline, however diligently a peer drips its bytes. Private to this module.

#include <openssl/bio.h>

#include "common/net/socket.h"

namespace ephemeralml::channel::tls {

/// What one connection's BIO works on; outlives the BIO.
struct SocketLink {
  int fd = -1;  ///< none yet: nothing can be written so far
  net::Deadline deadline;
  bool late = false;  ///< a call was refused because the deadline has passed
};

/// A BIO over `link`. Null if memory lacks.
BIO* MakeSocketBio(SocketLink* link);

}  // namespace ephemeralml::channel::tls
