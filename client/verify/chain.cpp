#include "client/verify/chain.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "common/base/owned.h"

namespace ephemeralml::verify {
namespace {

using Certificate = Owned<X509, X509_free>;
using Store = Owned<X509_STORE, X509_STORE_free>;
using StoreContext = Owned<X509_STORE_CTX, X509_STORE_CTX_free>;

// OpenSSL's level of 192 bits, which P-384 and SHA-384 have, and no less does.
constexpr int kAuthLevel = 4;

struct StackOwner {
  STACK_OF(X509) * stack = sk_X509_new_null();
  StackOwner() = default;
  StackOwner(const StackOwner&) = delete;
  StackOwner& operator=(const StackOwner&) = delete;
  ~StackOwner() { sk_X509_free(stack); }  // the certificates have owners of their own
};

Error Untrusted(std::string_view reason, std::string what) {
  return {Code::kUntrusted, reason, std::move(what)};
}

// Which certificate of the chain an error speaks of; names inside certificates are a stranger's.
std::string Place(size_t index, size_t bundle_size) {
  if (index == bundle_size) return "the signing certificate";
  return "certificate " + std::to_string(index) + " of the CA bundle";
}

Result<Certificate> Parse(ByteSpan der) {
  const uint8_t* next = der.data();
  Certificate certificate(d2i_X509(nullptr, &next, static_cast<long>(der.size())));
  ERR_clear_error();
  if (certificate == nullptr || next != der.data() + der.size()) {
    return Error{Code::kMalformed, "certificate_malformed",
                 "the evidence holds a certificate that isn't one X.509 certificate in DER"};
  }
  return certificate;
}

bool HasP384Key(const X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  std::array<char, 32> group = {};
  size_t length = 0;
  return key != nullptr && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
         EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1 &&
         std::string_view(group.data(), length) == SN_secp384r1;
}

// X509_get_key_usage says "everything" where the extension is absent; here that is nothing.
uint32_t KeyUsage(X509* certificate) {
  const bool present = (X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) != 0;
  return present ? X509_get_key_usage(certificate) : 0;
}

Done RequireKey(X509* certificate, const std::string& place) {
  if (HasP384Key(certificate)) return {};
  ERR_clear_error();
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

// `chain` from the anchor down to the leaf; OpenSSL counts depth from the leaf.
Done VerifySignaturesAndValidity(const std::vector<Certificate>& chain, Time now) {
  const size_t bundle_size = chain.size() - 1;
  const Store anchors(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  StackOwner between;
  CHECK(anchors != nullptr && context != nullptr && between.stack != nullptr);
  CHECK(X509_STORE_add_cert(anchors.get(), chain.front().get()) == 1);
  for (size_t i = 1; i < bundle_size; ++i) {
    CHECK(sk_X509_push(between.stack, chain[i].get()) > 0);
  }
  CHECK(X509_STORE_CTX_init(context.get(), anchors.get(), chain.back().get(), between.stack) == 1);
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(
      parameters, std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
  X509_VERIFY_PARAM_set_auth_level(parameters, kAuthLevel);
  const bool valid = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!valid) {
    const auto depth =
        static_cast<size_t>(std::max(X509_STORE_CTX_get_error_depth(context.get()), 0));
    const size_t index = depth > bundle_size ? 0 : bundle_size - depth;
    return ChainError(X509_STORE_CTX_get_error(context.get()), Place(index, bundle_size), now);
  }
  // A chain that skips some of the bundle, or takes it in another order, isn't Nitro's.
  STACK_OF(X509)* const built = X509_STORE_CTX_get0_chain(context.get());
  bool same = static_cast<size_t>(sk_X509_num(built)) == chain.size();
  for (size_t i = 0; same && i < chain.size(); ++i) {
    same = X509_cmp(sk_X509_value(built, static_cast<int>(i)), chain[bundle_size - i].get()) == 0;
  }
  if (!same) {
    return Untrusted("chain_untrusted",
                     "the CA bundle doesn't lead from the root to the signing "
                     "certificate in its own order");
  }
  return {};
}

}  // namespace

RootDigest DigestOf(ByteSpan certificate) {
  RootDigest digest;
  CHECK(EVP_Digest(certificate.data(), certificate.size(), digest.data(), nullptr, EVP_sha256(),
                   nullptr) == 1);
  return digest;
}

Result<Bytes> PublicKeyOf(ByteSpan certificate) {
  TRY(const Certificate parsed, Parse(certificate));
  uint8_t* encoded = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(parsed.get()), &encoded);
  CHECK(length > 0);
  Bytes der(encoded, encoded + length);
  OPENSSL_free(encoded);
  return der;
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
  std::vector<Certificate> chain;
  for (const Bytes& der : bundle) {
    TRY(Certificate certificate, Parse(der));
    const std::string place = Place(chain.size(), bundle.size());
    TRY_OK(RequireKey(certificate.get(), place));
    TRY_OK(RequireAuthority(certificate.get(), place));
    chain.push_back(std::move(certificate));
  }
  TRY(Certificate certificate, Parse(leaf));
  const std::string place = Place(bundle.size(), bundle.size());
  TRY_OK(RequireKey(certificate.get(), place));
  TRY_OK(RequireLeaf(certificate.get(), place));
  chain.push_back(std::move(certificate));
  return VerifySignaturesAndValidity(chain, now);
}

}  // namespace ephemeralml::verify
