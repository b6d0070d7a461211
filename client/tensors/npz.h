#pragma once
// One .npz file, in memory: a ZIP archive whose members are .npy files. Reading takes foreign
// bytes: member counts, sizes and the claimed compression are checked before anything is unpacked,
// and every member's checksum after.

#include <span>
#include <vector>

#include "client/tensors/tensors.h"

namespace ephemeralml::tensors {

/// All members; together they may hold `limit_bytes` and their headers.
/// Errors: those of DecodeNpy; kMalformed `npz_malformed` (no such archive, a damaged member),
/// `npz_implausible_size` (a member claims more than its compressed bytes can hold); kUnsupported
/// `npz_unsupported` (encrypted, another compression, a member that isn't .npy); kOverLimit
/// `tensor_over_limit`.
Result<std::vector<NamedTensor>> DecodeNpz(ByteSpan file, size_t limit_bytes = kMaxTensorBytes);

/// Deflated, with a fixed date. Errors: those of EncodeNpy; kInternal `npz_unwritable`.
Result<SecretBytes> EncodeNpz(std::span<const NamedTensor> tensors);

}  // namespace ephemeralml::tensors
