#pragma once
// One .npy file, in memory. Reading takes foreign bytes: sizes are checked against the file's own
// length before anything is allocated.
//
//   bytes  0..5   "\x93NUMPY"
//          6, 7   format version: 1.0, 2.0 or 3.0
//          8..    header's length, little-endian: 2 bytes in 1.0, 4 bytes in 2.0 and 3.0
//                 header: see npy_header.h
//                 elements

#include <string>

#include "client/tensors/tensors.h"

namespace ephemeralml::tensors {

/// Errors: those of ParseNpyHeader and ByteCount; kMalformed `npy_malformed` (also when the file is
/// shorter or longer than its shape says, or a boolean is neither 0 nor 1); kUnsupported
/// `npy_unsupported` (version).
Result<NamedTensor> DecodeNpy(std::string name, ByteSpan file);

/// As NumPy writes it: version 1.0, elements beginning at a multiple of 64 bytes.
/// Errors: kUnsupported `npy_unsupported`.
Result<SecretBytes> EncodeNpy(const NamedTensor& tensor);

}  // namespace ephemeralml::tensors
