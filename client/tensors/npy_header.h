#pragma once
// The header of an .npy file: the text of a Python dictionary. It comes from anyone's file, so only
// the literals that NumPy itself writes are understood and nothing is evaluated.
// Source: NumPy's "NEP 1, a simple file format for NumPy arrays".

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/wire/data_type.h"

namespace ephemeralml::tensors {

struct NpyHeader {
  wire::ElementType type = wire::ElementType::kUndefined;
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

/// Errors: kMalformed `npy_malformed`, kUnsupported `npy_unsupported` (element type), kOverLimit
/// `tensor_over_limit` (rank).
Result<NpyHeader> ParseNpyHeader(std::string_view text);

/// The dictionary for a little-endian array in C order. Errors: kUnsupported `npy_unsupported`.
Result<std::string> FormatNpyHeader(wire::ElementType type, const std::vector<int64_t>& shape);

}  // namespace ephemeralml::tensors
