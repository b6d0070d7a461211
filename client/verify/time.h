#pragma once
// The one clock of verification: UTC in milliseconds, as attestation documents count. Always a
// parameter, so that a document can be judged at any time.

#include <chrono>
#include <string>

namespace ephemeralml::verify {

using Time = std::chrono::sys_time<std::chrono::milliseconds>;

/// The system's clock.
Time Now();

/// `2022-10-13T08:58:02.136Z`.
std::string ToText(Time time);

}  // namespace ephemeralml::verify
