#include "client/verify/parsed_certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <array>
#include <atomic>
#include <string_view>

namespace ephemeralml::verify {
namespace {

// Some fifty enclaves, each with a chain of five. A stranger who shows others pushes these out, and
// gains that they are checked anew.
constexpr size_t kMostCertificates = 256;

std::atomic<uint64_t> signatures_checked = 0;

}  // namespace

Result<CertificatePointer> ParsedCertificate::Parse(ByteSpan der) {
  const uint8_t* next = der.data();
  X509* const x509 = d2i_X509(nullptr, &next, static_cast<long>(der.size()));
  ERR_clear_error();
  const std::shared_ptr<const ParsedCertificate> parsed(
      new ParsedCertificate(Bytes(der.begin(), der.end()), x509));
  if (x509 == nullptr || next != der.data() + der.size()) {
    return Error{Code::kMalformed, "certificate_malformed",
                 "the evidence holds a certificate that isn't one X.509 certificate in DER"};
  }
  // Reads the extensions now, while no other thread sees them.
  (void)X509_get_extension_flags(x509);
  ERR_clear_error();
  return parsed;
}

bool ParsedCertificate::HasP384Key() const {
  const EVP_PKEY* key = X509_get0_pubkey(x509());
  std::array<char, 32> group = {};
  size_t length = 0;
  const bool holds = key != nullptr && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
                     EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1 &&
                     std::string_view(group.data(), length) == SN_secp384r1;
  ERR_clear_error();
  return holds;
}

bool ParsedCertificate::IsSignedBy(const ParsedCertificate& issuer) const {
  {
    const std::lock_guard lock(mutex_);
    if (!signed_by_.empty() && signed_by_ == issuer.der_) return true;
  }
  ++signatures_checked;
  EVP_PKEY* const key = X509_get0_pubkey(issuer.x509());
  const bool holds = key != nullptr && X509_verify(x509(), key) == 1;
  ERR_clear_error();
  if (!holds) return false;
  const std::lock_guard lock(mutex_);
  signed_by_ = issuer.der_;
  return true;
}

uint64_t ParsedCertificate::SignaturesChecked() { return signatures_checked; }

CertificateMemory& CertificateMemory::OfProcess() {
  static CertificateMemory memory;
  return memory;
}

Result<CertificatePointer> CertificateMemory::Parse(ByteSpan der) {
  Bytes key(der.begin(), der.end());
  {
    const std::lock_guard lock(mutex_);
    const auto known = entries_.find(key);
    if (known != entries_.end()) {
      by_use_.splice(by_use_.begin(), by_use_, known->second.place);
      return known->second.certificate;
    }
  }
  TRY(CertificatePointer certificate, ParsedCertificate::Parse(der));
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = entries_.try_emplace(std::move(key));
  if (!is_new) return entry->second.certificate;  // another thread was faster
  by_use_.push_front(&entry->first);
  entry->second = {certificate, by_use_.begin()};
  if (entries_.size() > kMostCertificates) {
    const auto oldest = entries_.find(*by_use_.back());
    by_use_.pop_back();
    entries_.erase(oldest);
  }
  return certificate;
}

bool CertificateMemory::Knows(ByteSpan der) const {
  const Bytes key(der.begin(), der.end());
  const std::lock_guard lock(mutex_);
  return entries_.contains(key);
}

void CertificateMemory::Forget(const CertificatePointer& certificate) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(certificate->der());
  if (entry == entries_.end()) return;
  by_use_.erase(entry->second.place);
  entries_.erase(entry);
}

void CertificateMemory::ForgetAll() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  by_use_.clear();
}

size_t CertificateMemory::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace ephemeralml::verify
