#pragma once
// What es384.cpp and certificate.cpp share: the OpenSSL key behind an Es384Key. Not a public
// header.

#include <openssl/evp.h>

#include "common/base/owned.h"
#include "common/cose/es384.h"

namespace ephemeralml::cose {

struct Es384Key::Impl {
  Owned<EVP_PKEY, EVP_PKEY_free> key;
};

struct Es384KeyAccess {
  static EVP_PKEY* Get(const Es384Key& key) { return key.impl_->key.get(); }
};

}  // namespace ephemeralml::cose
