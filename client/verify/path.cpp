#include "client/verify/path.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>

namespace ephemeralml::verify {
namespace {

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

struct Path {
  std::span<const CertificatePointer> certificates;
  time_t now;
};

// What X509_cmp_time can't read counts as out of time.
int ValidityError(const X509* certificate, time_t now) {
  if (X509_cmp_time(X509_get0_notBefore(certificate), &now) >= 0) {
    return X509_V_ERR_CERT_NOT_YET_VALID;
  }
  if (X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0) {
    return X509_V_ERR_CERT_HAS_EXPIRED;
  }
  return X509_V_OK;
}

int LinkError(const Path& path, size_t index) {
  const CertificatePointer& certificate = path.certificates[index];
  if (index > 0 && !certificate->IsSignedBy(*path.certificates[index - 1])) {
    return X509_V_ERR_CERT_SIGNATURE_FAILURE;
  }
  const int error = ValidityError(certificate->x509(), path.now);
  if (error == X509_V_ERR_CERT_HAS_EXPIRED) CertificateMemory::OfProcess().Forget(certificate);
  return error;
}

// A chain that skips some of the path, or takes it in another order, isn't Nitro's.
bool IsWhole(STACK_OF(X509) * built, const Path& path) {
  const size_t size = path.certificates.size();
  if (static_cast<size_t>(sk_X509_num(built)) != size) return false;
  for (size_t i = 0; i < size; ++i) {
    if (sk_X509_value(built, static_cast<int>(size - 1 - i)) != path.certificates[i]->x509()) {
      return false;
    }
  }
  return true;
}

// Takes the place of OpenSSL's own last step, which checks signatures and validity: this one asks
// the memory for the former. The anchor's own signature proves nothing and isn't checked.
int CheckLinks(X509_STORE_CTX* context) {
  const auto& path = *static_cast<const Path*>(X509_STORE_CTX_get_app_data(context));
  const size_t size = path.certificates.size();
  const auto fail = [&](int error, size_t index) {
    X509_STORE_CTX_set_error(context, error);
    X509_STORE_CTX_set_error_depth(context, static_cast<int>(size - 1 - index));
    return 0;
  };
  if (!IsWhole(X509_STORE_CTX_get0_chain(context), path)) {
    return fail(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, size - 1);
  }
  for (size_t i = 0; i < size; ++i) {
    if (const int error = LinkError(path, i); error != X509_V_OK) return fail(error, i);
  }
  return 1;
}

}  // namespace

std::string PlaceInChain(size_t index, size_t chain_size) {
  if (index + 1 == chain_size) return "the signing certificate";
  return "certificate " + std::to_string(index) + " of the CA bundle";
}

std::optional<PathFailure> ValidatePath(std::span<const CertificatePointer> path, Time now,
                                        STACK_OF(X509_CRL) * lists) {
  Path expected = {path, std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count()};
  const Store anchors(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  const StackOwner between;
  CHECK(anchors != nullptr && context != nullptr && between.stack != nullptr);
  CHECK(X509_STORE_add_cert(anchors.get(), path.front()->x509()) == 1);
  for (size_t i = 1; i + 1 < path.size(); ++i) {
    CHECK(sk_X509_push(between.stack, path[i]->x509()) > 0);
  }
  X509_STORE_set_verify(anchors.get(), &CheckLinks);
  CHECK(X509_STORE_CTX_init(context.get(), anchors.get(), path.back()->x509(), between.stack) == 1);
  CHECK(X509_STORE_CTX_set_app_data(context.get(), &expected) == 1);
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, expected.now);
  X509_VERIFY_PARAM_set_auth_level(parameters, kAuthLevel);
  if (lists != nullptr) {
    X509_STORE_CTX_set0_crls(context.get(), lists);
    CHECK(X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_CRL_CHECK) == 1);
  }
  const bool valid = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (valid) return {};
  const auto depth =
      static_cast<size_t>(std::max(X509_STORE_CTX_get_error_depth(context.get()), 0));
  const size_t last = path.size() - 1;
  return PathFailure{X509_STORE_CTX_get_error(context.get()), depth > last ? 0 : last - depth};
}

}  // namespace ephemeralml::verify
