#pragma once
// Evidence without hardware: real documents, really signed, under the development CA instead of
// AWS's root and over measurements that this process took of itself. Compiled in mock builds alone.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "common/cose/attestation_document.h"
#include "common/cose/certificate.h"
#include "enclave/attest/attester.h"

namespace ephemeralml::attest {

class MockAttester : public Attester {
 public:
  using Time = std::chrono::sys_time<std::chrono::milliseconds>;
  using Clock = std::function<Time()>;

  static Result<std::unique_ptr<MockAttester>> Create(const std::filesystem::path& state,
                                                      Clock clock, cose::MapForm form);

  /// As Attester's. The chain below the root is as long as Nitro's and lives as long: it is made
  /// anew half an hour before the signing certificate, of three hours, expires.
  Result<Bytes> Attest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data) override;

 private:
  MockAttester(cose::Issuer ca, cose::PcrBank pcrs, Clock clock, cose::MapForm form);
  bool ChainServes(Time now) const;
  Done RenewChain(Time now);

  cose::Issuer ca_;
  cose::PcrBank pcrs_;
  Clock clock_;
  cose::MapForm form_;
  std::string module_id_;
  std::vector<Bytes> bundle_;  // root, regional, zonal, instance
  cose::Issuer leaf_;
  Time renew_from_;  // the chain serves in [made_at_, renew_from_)
  Time made_at_;
};

}  // namespace ephemeralml::attest
