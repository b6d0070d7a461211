#include "client/verify/chain.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "client/verify/path.h"

namespace ephemeralml::verify {
namespace {

Error Untrusted(std::string_view reason, std::string what) {
  return {Code::kUntrusted, reason, std::move(what)};
}

// X509_get_key_usage says "everything" where the extension is absent; here that is nothing.
uint32_t KeyUsage(X509* certificate) {
  const bool present = (X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) != 0;
  return present ? X509_get_key_usage(certificate) : 0;
}

Done RequireKey(const ParsedCertificate& certificate, const std::string& place) {
  if (certificate.HasP384Key()) return {};
  return Error{Code::kUnsupported, "certificate_key_unsupported",
               place + " holds no P-384 key; every key of the chain must be one"};
}

Done RequireAuthority(X509* certificate, const std::string& place) {
  if ((X509_get_extension_flags(certificate) & EXFLAG_CA) == 0) {
    return Untrusted("certificate_not_authority", place + " may not issue: it lacks CA:TRUE");
  }
  if ((KeyUsage(certificate) & KU_KEY_CERT_SIGN) == 0) {
    return Untrusted("certificate_key_usage", place + " may not issue: it lacks keyCertSign");
  }
  return {};
}

Done RequireLeaf(X509* certificate, const std::string& place) {
  if ((X509_get_extension_flags(certificate) & EXFLAG_CA) != 0) {
    return Untrusted("leaf_is_authority", place +
                                              " is a CA; the key that signs evidence may not "
                                              "be one that issues certificates");
  }
  const uint32_t usage = KeyUsage(certificate);
  if ((usage & KU_DIGITAL_SIGNATURE) == 0 || (usage & KU_KEY_CERT_SIGN) != 0) {
    return Untrusted("certificate_key_usage",
                     place + " must be for digital signatures and not for issuing");
  }
  return {};
}

Error ChainError(int code, const std::string& place, Time now) {
  const std::string at = " at " + ToText(now);
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Untrusted("certificate_expired",
                       place + " has expired" + at + "; the evidence is old, or this clock wrong");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Untrusted("certificate_not_yet_valid",
                       place + " isn't valid yet" + at + "; check this machine's clock");
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      return Untrusted("path_length_exceeded", place + " lets fewer CAs follow than do");
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return Untrusted("certificate_digest_weak", place + " is signed with less than SHA-384");
    default:
      return Untrusted("chain_untrusted", place + ": " + X509_verify_cert_error_string(code));
  }
}

}  // namespace

RootDigest DigestOf(ByteSpan certificate) {
  RootDigest digest;
  CHECK(EVP_Digest(certificate.data(), certificate.size(), digest.data(), nullptr, EVP_sha256(),
                   nullptr) == 1);
  return digest;
}

Done RequireRoot(ByteSpan certificate, const TrustRoot& root) {
  const RootDigest digest = DigestOf(certificate);
  if (digest == root.digest()) return {};
  return Untrusted("root_mismatch",
                   "the evidence begins at a root with SHA-256 " + ToHex(digest) +
                       "; this client trusts the " + std::string(root.name()) + ", " +
                       ToHex(root.digest()) +
                       ". Someone else signed, or client and enclave are of different platforms");
}

Done VerifyChain(const std::vector<Bytes>& bundle, ByteSpan leaf, Time now) {
  CHECK(!bundle.empty());
  CertificateMemory& memory = CertificateMemory::OfProcess();
  const size_t size = bundle.size() + 1;
  std::vector<CertificatePointer> chain;
  for (const Bytes& der : bundle) {
    TRY(CertificatePointer certificate, memory.Parse(der));
    const std::string place = PlaceInChain(chain.size(), size);
    TRY_OK(RequireKey(*certificate, place));
    TRY_OK(RequireAuthority(certificate->x509(), place));
    chain.push_back(std::move(certificate));
  }
  TRY(CertificatePointer certificate, memory.Parse(leaf));
  const std::string place = PlaceInChain(bundle.size(), size);
  TRY_OK(RequireKey(*certificate, place));
  TRY_OK(RequireLeaf(certificate->x509(), place));
  chain.push_back(std::move(certificate));
  const auto failure = ValidatePath(chain, now);
  if (failure.has_value()) {
    return ChainError(failure->code, PlaceInChain(failure->index, size), now);
  }
  return {};
}

void ForgetCertificates() { CertificateMemory::OfProcess().ForgetAll(); }

}  // namespace ephemeralml::verify
