#include "common/channel/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>

namespace ephemeralml::channel::tls {
namespace {
constexpr long kLargestCertificateListBytes = 4096;
constexpr int kSecurityLevel = 3;  // 128 bits
}  // namespace

Error LibraryError() {
  ERR_clear_error();
  return {Code::kInternal, "tls_unavailable", "the TLS library can't do what the channel needs"};
}

Result<Context> MakeContext(const SSL_METHOD* method) {
  Context context(SSL_CTX_new(method));
  if (context == nullptr) return LibraryError();
  SSL_CTX* c = context.get();
  // The middlebox disguise of RFC 8446 §D.4 is for networks that know TLS; ours is a tunnel.
  SSL_CTX_clear_options(c, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                             SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_mode(c, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  // Possession of the certificate's key is proven by the handshake; whose key it is, by evidence.
  // So the certificate isn't verified, nor even walked through.
  SSL_CTX_set_verify(c, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_cert_verify_callback(
      c, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  SSL_CTX_set_max_cert_list(c, kLargestCertificateListBytes);
  SSL_CTX_set_security_level(c, kSecurityLevel);
  // Arrays, since the library's macros cast constness away.
  char signatures[] = "ECDSA+SHA256:ECDSA+SHA384";
  char hybrid_groups[] = "X25519MLKEM768:X25519";
  char groups[] = "X25519";
  const bool configured =
      SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1 &&
      SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
      SSL_CTX_set_ciphersuites(c, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
      SSL_CTX_set1_sigalgs_list(c, signatures) == 1 && SSL_CTX_set_num_tickets(c, 0) == 1 &&
      SSL_CTX_set_max_early_data(c, 0) == 1 &&
      // The hybrid group comes with OpenSSL 3.5; a library without it refuses the whole list.
      (SSL_CTX_set1_groups_list(c, hybrid_groups) == 1 || SSL_CTX_set1_groups_list(c, groups) == 1);
  if (!configured) return LibraryError();
  ERR_clear_error();
  return context;
}

Result<SSL_CTX*> ClientContext() {
  static const Result<Context> context = MakeContext(TLS_client_method());
  if (!context) return context.error();
  return context->get();
}

Result<Bytes> PublicKeyOf(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return LibraryError();
  const Bytes key(der, der + size);
  OPENSSL_free(der);
  return key;
}

}  // namespace ephemeralml::channel::tls
