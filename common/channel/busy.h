#pragma once
// What an enclave says to whom it can't serve now, before anything else: a TLS alert in the clear,
// a public constant. Who is on the way can say it too, and could as well cut the connection.

#include <array>
#include <cstdint>

#include "common/base/result.h"

namespace ephemeralml::channel {

/// A whole record: fatal, access_denied. No TLS server of ours sends that alert otherwise.
/// Source: RFC 8446 §5.1, §6.2.
inline constexpr std::array<uint8_t, 7> kBusyAlert = {21, 3, 3, 0, 2, 2, 49};

/// When to come back.
inline constexpr int64_t kComeBackMs = 2000;

/// kBusy `enclave_busy`, for whom the alert reached.
Error EnclaveBusy();

}  // namespace ephemeralml::channel
