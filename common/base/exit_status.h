#pragma once
// What our programs for a terminal end with.

#include "common/base/result.h"

namespace ephemeralml {

/// The exit status for an error of this code. Stable, so that scripts can tell causes apart;
/// docs/errors.md lists them.
int ExitStatus(Code code);

}  // namespace ephemeralml
