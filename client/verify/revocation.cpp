#include "client/verify/revocation.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <string>

#include "client/verify/chain.h"
#include "client/verify/path.h"

namespace ephemeralml::verify {
namespace {

using List = Owned<X509_CRL, X509_CRL_free>;

constexpr std::array<int, 2> kSignatures = {NID_ecdsa_with_SHA384, NID_ecdsa_with_SHA512};

Error Malformed(const std::string& what) {
  return {Code::kMalformed, "revocation_list_malformed",
          "the certificate revocation lists: " + what};
}

Error Untrusted(std::string_view reason, std::string what) {
  return {Code::kUntrusted, reason, std::move(what)};
}

size_t CountOf(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

Done RequireMeaning(const X509_CRL* list) {
  if (X509_CRL_get0_nextUpdate(list) == nullptr) {
    return Malformed("one doesn't say when its next update comes, so it would never grow old");
  }
  if (std::ranges::find(kSignatures, X509_CRL_get_signature_nid(list)) == kSignatures.end()) {
    return Untrusted("revocation_list_weak",
                     "a certificate revocation list isn't signed by ECDSA with SHA-384 or more");
  }
  return {};
}

Error ListError(int code, const std::string& place, Time now) {
  switch (code) {
    case X509_V_ERR_CERT_REVOKED:
      return Untrusted("certificate_revoked", place + " was revoked by its issuer");
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return Untrusted("revocation_list_missing",
                       "the policy's revocation lists have none by the issuer of " + place +
                           "; fetch it from where that certificate says");
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return Untrusted("revocation_list_expired", "the revocation list for " + place +
                                                      " has expired at " + ToText(now) +
                                                      "; fetch its update");
    case X509_V_ERR_CRL_NOT_YET_VALID:
      return Untrusted("revocation_list_not_yet_valid", "the revocation list for " + place +
                                                            " isn't valid yet at " + ToText(now) +
                                                            "; check this machine's clock");
    default:
      return Untrusted("revocation_list_untrusted", "the revocation list for " + place + ": " +
                                                        X509_verify_cert_error_string(code));
  }
}

}  // namespace

struct RevocationLists::State {
  std::vector<List> lists;
};

Result<RevocationLists> RevocationLists::Parse(ByteSpan pem) {
  if (pem.empty()) return Malformed("the file is empty");
  const Owned<BIO, BIO_free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CHECK(bio != nullptr);
  auto state = std::make_shared<State>();
  for (;;) {
    char passphrase[] = "";
    List list(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, passphrase));
    if (list == nullptr) break;
    TRY_OK(RequireMeaning(list.get()));
    state->lists.push_back(std::move(list));
  }
  ERR_clear_error();
  // The library skips what isn't a list, and so would a list be lost whose label is misspelt.
  if (state->lists.empty() || state->lists.size() != CountOf(AsText(pem), "-----BEGIN ")) {
    return Malformed("they aren't lists in PEM, and nothing else");
  }
  return RevocationLists(std::move(state));
}

size_t RevocationLists::size() const { return state_->lists.size(); }

class RevocationCheck {
 public:
  RevocationCheck(const RevocationLists& lists, Time now)
      : lists_(*lists.state_), stack_(sk_X509_CRL_new_null()), now_(now) {
    CHECK(stack_ != nullptr);
    for (const List& list : lists_.lists) CHECK(sk_X509_CRL_push(stack_, list.get()) > 0);
  }
  RevocationCheck(const RevocationCheck&) = delete;
  RevocationCheck& operator=(const RevocationCheck&) = delete;
  ~RevocationCheck() { sk_X509_CRL_free(stack_); }  // the lists have an owner of their own

  Result<size_t> Cover(const std::vector<CertificatePointer>& chain) const {
    size_t covered = 0;
    for (size_t i = 1; i < chain.size(); ++i) {
      if (i > 1 && !NeedsList(chain[i]->x509())) continue;
      const auto failure = ValidatePath(std::span(chain).first(i + 1), now_, stack_);
      if (failure.has_value()) return ListError(failure->code, PlaceInChain(i, chain.size()), now_);
      ++covered;
    }
    return covered;
  }

 private:
  bool NeedsList(X509* certificate) const {
    if (X509_get_ext_by_NID(certificate, NID_crl_distribution_points, -1) >= 0) return true;
    return std::ranges::any_of(lists_.lists, [&](const List& list) {
      return X509_NAME_cmp(X509_CRL_get_issuer(list.get()), X509_get_issuer_name(certificate)) == 0;
    });
  }

  const RevocationLists::State& lists_;
  STACK_OF(X509_CRL) * stack_;
  Time now_;
};

Result<size_t> CheckRevocation(const std::vector<Bytes>& bundle, ByteSpan leaf,
                               const RevocationLists& lists, Time now) {
  std::vector<CertificatePointer> chain;
  for (const Bytes& der : bundle) {
    TRY(CertificatePointer certificate, CertificateMemory::OfProcess().Parse(der));
    chain.push_back(std::move(certificate));
  }
  TRY(CertificatePointer certificate, CertificateMemory::OfProcess().Parse(leaf));
  chain.push_back(std::move(certificate));
  return RevocationCheck(lists, now).Cover(chain);
}

}  // namespace ephemeralml::verify
