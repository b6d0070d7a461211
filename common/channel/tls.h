#pragma once
// What both roles of the channel need from OpenSSL. Private to this module.

#include <openssl/ssl.h>

#include <memory>

#include "common/channel/channel.h"

namespace ephemeralml::channel::tls {

template <class T, void (*kFree)(T*)>
struct Deleter {
  void operator()(T* object) const { kFree(object); }
};
using Context = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX, SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Deleter<SSL, SSL_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;

/// A failed call of the library where only lack of memory or a bug makes it fail.
Error LibraryError();

/// TLS 1.3 alone, no tickets, no resumption, no early data. Errors: kInternal `tls_unavailable`.
Result<Context> MakeContext(const SSL_METHOD* method);

/// What all connections of this process as a client share: it takes as long to make as a third of a
/// handshake, and holds nothing of a connection. Safe in threads. Errors: as MakeContext.
Result<SSL_CTX*> ClientContext();

/// DER SubjectPublicKeyInfo of a certificate's key.
Result<Bytes> PublicKeyOf(const X509* certificate);

}  // namespace ephemeralml::channel::tls
