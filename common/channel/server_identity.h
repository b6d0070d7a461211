#pragma once
// What a ServerIdentity is made of. Private to this module.

#include "common/channel/tls.h"

namespace ephemeralml::channel {
namespace tls {

struct Identity {
  Context context;  // holds the key and the certificate
  Bytes public_key;
};

/// Errors: kInternal `tls_unavailable`.
Result<Identity> MakeIdentity();

}  // namespace tls

struct ServerIdentity::State {
  tls::Identity identity;
};

}  // namespace ephemeralml::channel
