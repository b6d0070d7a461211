#pragma once
// What stands in for the measurements of an enclave image in mock mode: digests of this program and
// its libraries as they lie on disk. They mean something to a policy, but nothing protects them.

#include "common/cose/attestation_document.h"

namespace ephemeralml::attest {

/// PCR0 over the running program and its loaded libraries, PCR1 over the program, PCR2 over the
/// libraries; 3 to 15 zero, as on Nitro for an unsigned image without a role. Never a zero 0, 1
/// or 2. Each is SHA384(48 zeros ‖ SHA384(content)), the content every file's length (8 bytes,
/// big-endian) and bytes, libraries in the order of their names. Errors: kIo `platform_unavailable`
/// (a library's file can't be read).
Result<cose::PcrBank> MeasureOwnProgram();

}  // namespace ephemeralml::attest
