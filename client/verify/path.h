#pragma once
// OpenSSL's validation of one certification path. Private to this module.

#include <openssl/x509.h>

#include <optional>
#include <span>
#include <string>

#include "client/verify/parsed_certificate.h"
#include "client/verify/time.h"

namespace ephemeralml::verify {

/// What errors call a certificate of a chain; names inside certificates are a stranger's.
std::string PlaceInChain(size_t index, size_t chain_size);

struct PathFailure {
  int code = 0;      ///< X509_V_ERR_…
  size_t index = 0;  ///< of the certificate in the path
};

/// Validates `path`, from the anchor down to the target, whole and in this order, as of `now`. With
/// `lists`, also demands a current list, by the target's issuer, that doesn't hold the target.
/// Source: RFC 5280 §6.1 and §6.3.
std::optional<PathFailure> ValidatePath(std::span<const CertificatePointer> path, Time now,
                                        STACK_OF(X509_CRL) * lists = nullptr);

}  // namespace ephemeralml::verify
