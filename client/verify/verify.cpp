#include "client/verify/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "client/verify/chain.h"
#include "client/verify/parsed_certificate.h"
#include "client/verify/recollection.h"
#include "common/cose/es384.h"

namespace ephemeralml::verify {

// One evidence on its way through the checks. A check that fails is noted, and the next one is
// made; but nothing is made of a document whose signature or chain failed.
class Examination {
 public:
  explicit Examination(ByteSpan evidence) { decoded_ = Note("format", Decode(evidence)); }

  // `policy` null: no policy was asked.
  void Authenticate(const TrustRoot& root, const Policy* policy, Time now) {
    authentic_ = decoded_;
    std::optional<Recollection> recollection;
    if (authentic_) recollection.emplace(document_.cabundle, document_.certificate);
    Step("signature", "ES384, by the signing certificate", [&] { return CheckSignature(); });
    Step("root", std::string(root.name()),
         [&] { return RequireRoot(document_.cabundle.front(), root); });
    Step("chain", "valid at " + ToText(now), [&] {
      recollection->Finish();
      return VerifyChain(document_.cabundle, document_.certificate, now);
    });
    if (policy != nullptr && policy->revocation_lists().has_value()) {
      CheckAgainst(*policy->revocation_lists(), now);
    } else {
      LeaveOut("revocation", authentic_ ? "no revocation lists were given" : "");
    }
    if (authentic_) NoteFacts();
  }

  void CheckState(std::chrono::seconds max_age, std::chrono::seconds skew, Time now) {
    Check("age", [&] { return CheckAge(max_age, skew, now); });
    Check("debug", [&] { return CheckDebug(); });
  }

  void CheckNonce(ByteSpan nonce) {
    Check("nonce", [&]() -> Done {
      if (document_.nonce.has_value() && std::ranges::equal(*document_.nonce, nonce)) return {};
      return Untrusted("nonce_mismatch",
                       "the evidence answers another challenge than this client's; it was made for "
                       "someone else, or is a replay");
    });
  }

  void CheckBinding(const Expectations& expectations) {
    Check("key", [&] { return CheckKey(expectations.tls_public_key); });
    Check("binding", [&] { return CheckUserData(expectations.exporter); });
  }

  void CheckMeasurements(const Policy& policy, Time now) {
    Check("measurements", [&]() -> Done {
      TRY(const MeasurementSet* set, policy.Match(document_.pcrs, now));
      measurements_ = set->name;
      return {};
    });
    if (!measurements_.empty()) report_.checks.back().what = "policy set '" + measurements_ + "'";
  }

  void LeaveOut(std::string_view check, std::string why) {
    report_.checks.push_back({check, Verdict::kNotChecked, {}, std::move(why)});
  }

  template <class T>
  Outcome<T> Finish(T result) {
    if (failure_.has_value()) return {std::move(report_), *std::move(failure_)};
    return {std::move(report_), std::move(result)};
  }

  VerifiedEnclave ToVerifiedEnclave(const Expectations& expectations) const {
    VerifiedEnclave enclave;
    enclave.tls_public_key_ = expectations.tls_public_key;
    enclave.module_id_ = document_.module_id;
    enclave.measurements_ = measurements_;
    enclave.timestamp_ = Timestamp();
    return enclave;
  }

  CheckedDocument ToCheckedDocument() const {
    return {document_.module_id, measurements_, Timestamp()};
  }

  ObservedEnclave ToObservedEnclave() const {
    MeasurementSet set = {.name = document_.module_id, .pcrs = {}, .expires = {}, .observed = true};
    for (const uint8_t index : kPolicyPcrs) {
      const auto pcr = document_.pcrs.find(index);
      if (pcr != document_.pcrs.end() && !pcr->second.IsZero()) set.pcrs.insert(*pcr);
    }
    return {document_.module_id, std::move(set)};
  }

 private:
  static Error Untrusted(std::string_view reason, std::string what) {
    return {Code::kUntrusted, reason, std::move(what)};
  }

  Time Timestamp() const { return Time(std::chrono::milliseconds(document_.timestamp_ms)); }

  Done Decode(ByteSpan evidence) {
    TRY(sign1_, cose::DecodeSign1(evidence));
    TRY(document_, cose::DecodeDocument(sign1_.payload));
    return {};
  }

  void CheckAgainst(const RevocationLists& lists, Time now) {
    size_t covered = 0;
    Step("revocation", "", [&]() -> Done {
      TRY(covered, CheckRevocation(document_.cabundle, document_.certificate, lists, now));
      return {};
    });
    if (authentic_)
      report_.checks.back().what = fmt::format("{} certificates are listed nowhere", covered);
  }

  Done CheckSignature() const {
    TRY(const CertificatePointer leaf, CertificateMemory::OfProcess().Parse(document_.certificate));
    return cose::VerifyEs384(leaf->x509(), cose::SignedBytes(sign1_.payload), sign1_.signature);
  }

  Done CheckAge(std::chrono::seconds max_age, std::chrono::seconds skew, Time now) const {
    if (now - Timestamp() > max_age + skew) {
      return Untrusted(
          "document_too_old",
          fmt::format("the evidence was made at {}, more than {} s before {}; it is a "
                      "replay, or a clock is wrong",
                      verify::ToText(Timestamp()), (max_age + skew).count(), verify::ToText(now)));
    }
    if (Timestamp() - now > skew) {
      return Untrusted("document_from_future",
                       fmt::format("the evidence was made at {}, more than {} s after {}; a clock "
                                   "is wrong",
                                   verify::ToText(Timestamp()), skew.count(), verify::ToText(now)));
    }
    return {};
  }

  // AWS's user guide: an enclave in debug mode reports PCR0 to 2 as zeros, and its parent reads its
  // console.
  Done CheckDebug() const {
    for (const uint8_t index : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) {
      const auto pcr = document_.pcrs.find(index);
      if (pcr == document_.pcrs.end()) {
        return Untrusted("measurement_missing",
                         fmt::format("the evidence leaves out PCR{}", index));
      }
      if (pcr->second.IsZero()) {
        return Untrusted("debug_enclave",
                         fmt::format("PCR{} is all zero: the enclave runs in debug mode, in which "
                                     "its host can look inside; start it without",
                                     index));
      }
    }
    return {};
  }

  Done CheckKey(const Bytes& tls_public_key) const {
    if (document_.public_key == tls_public_key) return {};
    return Untrusted("key_mismatch",
                     "the evidence names another TLS key than this connection's: someone between "
                     "client and enclave forwards the enclave's evidence");
  }

  Done CheckUserData(const channel::ExporterBinding& exporter) const {
    if (document_.user_data.has_value() && !document_.user_data->empty() &&
        document_.user_data->front() != channel::kUserDataVersion) {
      return Error{Code::kUnsupported, "binding_version_unsupported",
                   fmt::format("the evidence is bound to its connection by version {} of the "
                               "format; this client knows version {}",
                               document_.user_data->front(), channel::kUserDataVersion)};
    }
    Bytes wanted = {channel::kUserDataVersion};
    AppendBytes(wanted, exporter);
    if (document_.user_data == wanted) return {};
    return Untrusted("binding_mismatch", "the evidence was made for another connection");
  }

  void NoteFacts() {
    report_.document = DocumentFacts{document_.module_id, Timestamp(), {}};
    for (const auto& entry : document_.pcrs) {
      if (!entry.second.IsZero()) report_.document->pcrs.insert(entry);
    }
  }

  bool Note(std::string_view check, const Done& done, std::string found = {}) {
    if (done) {
      report_.checks.push_back({check, Verdict::kPassed, {}, std::move(found)});
      return true;
    }
    report_.checks.push_back({check, Verdict::kFailed, done.error().reason, done.error().what});
    if (!failure_.has_value()) failure_ = done.error();
    return false;
  }

  // A check that makes the document authentic: the first that fails is the last that is made.
  template <class Make>
  void Step(std::string_view check, std::string found, Make make) {
    if (authentic_) {
      authentic_ = Note(check, make(), std::move(found));
    } else {
      LeaveOut(check, "");
    }
  }

  // A check of an authentic document.
  template <class Make>
  void Check(std::string_view check, Make make) {
    if (authentic_) {
      Note(check, make());
    } else {
      LeaveOut(check, "");
    }
  }

  Report report_;
  std::optional<Error> failure_;
  bool decoded_ = false;
  bool authentic_ = false;
  cose::Sign1 sign1_;
  cose::AttestationDocument document_;
  std::string measurements_;
};

Outcome<VerifiedEnclave> Examine(ByteSpan evidence, const Policy& policy,
                                 const Expectations& expectations, const TrustRoot& root,
                                 Time now) {
  Examination examination(evidence);
  examination.Authenticate(root, &policy, now);
  examination.CheckState(policy.max_age(), policy.clock_skew(), now);
  examination.CheckNonce(expectations.nonce);
  examination.CheckBinding(expectations);
  examination.CheckMeasurements(policy, now);
  return examination.Finish(examination.ToVerifiedEnclave(expectations));
}

Result<VerifiedEnclave> Verify(ByteSpan evidence, const Policy& policy,
                               const Expectations& expectations, const TrustRoot& root, Time now) {
  return Examine(evidence, policy, expectations, root, now).result;
}

Outcome<CheckedDocument> CheckOffline(ByteSpan evidence, const Policy& policy,
                                      const std::optional<Bytes>& nonce, const TrustRoot& root,
                                      Time at) {
  Examination examination(evidence);
  examination.Authenticate(root, &policy, at);
  examination.CheckState(policy.max_age(), policy.clock_skew(), at);
  if (nonce.has_value()) {
    examination.CheckNonce(*nonce);
  } else {
    examination.LeaveOut("nonce", "none was given");
  }
  examination.LeaveOut("key", "there is no connection");
  examination.LeaveOut("binding", "there is no connection");
  examination.CheckMeasurements(policy, at);
  return examination.Finish(examination.ToCheckedDocument());
}

Outcome<ObservedEnclave> Observe(ByteSpan evidence, const Expectations& expectations,
                                 const TrustRoot& root, Time now) {
  Examination examination(evidence);
  examination.Authenticate(root, nullptr, now);
  examination.CheckState(kDefaultMaxAge, kDefaultClockSkew, now);
  examination.CheckNonce(expectations.nonce);
  examination.CheckBinding(expectations);
  examination.LeaveOut("measurements", "no policy was asked");
  return examination.Finish(examination.ToObservedEnclave());
}

}  // namespace ephemeralml::verify
