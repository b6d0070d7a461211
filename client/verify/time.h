#pragma once
// The one clock of verification: UTC in milliseconds, as attestation documents count. Always a
// parameter, so that a document can be judged at any time.

#include <chrono>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace ephemeralml::verify {

using Time = std::chrono::sys_time<std::chrono::milliseconds>;

/// The system's clock.
Time Now();

/// `2022-10-13T08:58:02.136Z`.
std::string ToText(Time time);

/// Reads what ToText writes; milliseconds may be left out. Errors: kInvalidArgument
/// `time_malformed`. Source: RFC 3339 §5.6, in UTC alone.
Result<Time> ParseTime(std::string_view text);

}  // namespace ephemeralml::verify
