#pragma once
// What a production enclave demands of where it was started, before it touches its hardware.

#include "common/base/result.h"

namespace ephemeralml::attest {

/// No variable of `environment` (NAME=VALUE, ended by null) is for mock mode, but for
/// EPHEMERAL_MOCK_MODE, whose value the program judges. Errors: kInvalidArgument
/// `mock_setting_refused`.
Done RequireNoMockSettings(const char* const* environment);

/// The file system at `path` can't be written. Errors: kUntrusted `root_writable`; kIo
/// `platform_unavailable` (nothing is known of it).
Done RequireReadOnly(const char* path);

}  // namespace ephemeralml::attest
