#pragma once
// /dev/nsm, and the kernel's entropy pool. Production builds alone hold this.

#include "common/base/file.h"
#include "enclave/attest/nsm_module.h"

namespace ephemeralml::attest {

/// Opens the device. Errors: kIo `platform_unavailable`.
Result<UniqueFd> OpenNsmDevice();

/// Calls the module by ioctl on `device`, which must stay open.
NsmCall CallByIoctl(int device);

/// Adds `entropy` to the kernel's pool, credits it in full, and lets the generator draw its next
/// key from the pool. Errors: kIo `entropy_refused`.
Done CreditEntropy(const SecretBytes& entropy);

}  // namespace ephemeralml::attest
