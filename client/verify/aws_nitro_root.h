#pragma once
// The pin of the AWS Nitro Enclaves root certificate, generation 1, valid until 2049.
// Source: AWS, "Verifying the root of trust", Nitro Enclaves user guide.

#include "client/verify/trust_root.h"

namespace ephemeralml::verify {

inline constexpr RootDigest kAwsNitroRootG1 = {{0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef,
                                                0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31,
                                                0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17, 0x56, 0xe0,
                                                0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b}};

}  // namespace ephemeralml::verify
