#pragma once
// Private to this module.

#include "common/base/result.h"

namespace ephemeralml::channel::tls {

/// Goes through a whole connection in memory, from handshake to close, so that everything that the
/// TLS library sets up on first use is set up. Errors: kInternal `tls_unavailable`.
Done Rehearse();

}  // namespace ephemeralml::channel::tls
