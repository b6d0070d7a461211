#pragma once
// The state of a ServerIdentity. Private to this module.

#include "common/channel/tls.h"

namespace ephemeralml::channel {

struct ServerIdentity::State {
  tls::Context context;  // holds the key and the certificate
  Bytes public_key;
};

}  // namespace ephemeralml::channel
