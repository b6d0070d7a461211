#pragma once
// What verification found, check by check, for people and for programs.

#include <optional>
#include <string>
#include <vector>

#include "client/verify/time.h"
#include "common/cose/attestation_document.h"

namespace ephemeralml::verify {

enum class Verdict { kPassed, kFailed, kNotChecked };

struct CheckResult {
  std::string_view check;  ///< `format`, `signature`, `root`, `chain`, `age`, …
  Verdict verdict = Verdict::kNotChecked;
  std::string_view reason;  ///< the error's stable reason; empty unless failed
  std::string what;         ///< what was found, or why it failed
};

/// What an authentic document says. Not filled from one whose signature or chain failed.
struct DocumentFacts {
  std::string module_id;
  Time timestamp;
  cose::PcrBank pcrs;  ///< those that aren't zero
};

struct Report {
  std::vector<CheckResult> checks;
  std::optional<DocumentFacts> document;

  /// The first check that failed.
  const CheckResult* FirstFailure() const;
  /// Lines for a terminal; in a mock build the first says MOCK.
  std::string ToText() const;
  /// One JSON object; docs/formats/evidence.md describes it.
  std::string ToJson() const;
};

}  // namespace ephemeralml::verify
