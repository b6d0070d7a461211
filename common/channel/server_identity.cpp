#include "common/channel/server_identity.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace ephemeralml::channel {
namespace {

constexpr long kClockSkewSeconds = 24 * 3600;
constexpr long kLifetimeSeconds = 7L * 24 * 3600;

// Self-signed and almost empty: the client takes the key from it and nothing else.
Result<tls::Certificate> SelfSign(EVP_PKEY* key) {
  tls::Certificate certificate(X509_new());
  if (certificate == nullptr) return tls::LibraryError();
  X509* x = certificate.get();
  X509_NAME* name = X509_get_subject_name(x);
  const auto* common_name = reinterpret_cast<const unsigned char*>("ephemeralml enclave");
  const bool made =
      X509_set_version(x, X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(x), -kClockSkewSeconds) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(x), kLifetimeSeconds) != nullptr &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0) == 1 &&
      X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
      X509_sign(x, key, EVP_sha256()) > 0;
  if (!made) return tls::LibraryError();
  return certificate;
}

}  // namespace

ServerIdentity::ServerIdentity(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServerIdentity::ServerIdentity(ServerIdentity&&) noexcept = default;
ServerIdentity& ServerIdentity::operator=(ServerIdentity&&) noexcept = default;
ServerIdentity::~ServerIdentity() = default;

const Bytes& ServerIdentity::PublicKey() const { return state_->identity.public_key; }

Result<tls::Identity> tls::MakeIdentity() {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  if (key == nullptr) return LibraryError();
  TRY(const Certificate certificate, SelfSign(key.get()));
  Identity identity;
  TRY(identity.context, MakeContext(TLS_server_method()));
  if (SSL_CTX_use_PrivateKey(identity.context.get(), key.get()) != 1 ||
      SSL_CTX_use_certificate(identity.context.get(), certificate.get()) != 1) {
    return LibraryError();
  }
  TRY(identity.public_key, PublicKeyOf(certificate.get()));
  return identity;
}

Result<ServerIdentity> ServerIdentity::Create() {
  TRY(tls::Identity identity, tls::MakeIdentity());
  return ServerIdentity(std::make_unique<State>(State{std::move(identity)}));
}

}  // namespace ephemeralml::channel
