#pragma once
// Tensors in files: what `ephemeralml infer` reads its inputs from and writes its outputs to. The
// files come from the client's own disk, but their contents may come from anyone, so every size is
// checked before anything is allocated.
//
// .npy   one array without a name; read in format versions 1.0 to 3.0, either byte order, C or
//        Fortran order
// .npz   a ZIP archive of .npy members, stored or deflated; a tensor is named as its member
// .json  {"name": {"type": "float", "shape": [2], "data": [1, 2]}}, where `data` may be nested and
//        then says the shape; or {"name": [[1, 2]]}; or [[1, 2]], one tensor without a name.
//        What isn't a number in JSON is "nan", "inf" or "-inf".

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/base/secret_bytes.h"
#include "common/wire/data_type.h"
#include "common/wire/frame.h"

namespace ephemeralml::tensors {

/// Secrets: inputs and outputs are the client's private data. What libraries copy while they parse
/// or compress isn't wiped: the client's process is trusted and short-lived.
struct NamedTensor {
  std::string name;
  wire::ElementType type = wire::ElementType::kUndefined;
  std::vector<int64_t> shape;  ///< empty: one element
  SecretBytes data;            ///< little-endian, C order; strings as common/wire/strings.h says
  wire::ValueKind kind = wire::ValueKind::kTensor;
  std::vector<NamedTensor> elements = {};  ///< of a sequence; nameless tensors
};

inline constexpr size_t kMaxFileBytes = size_t{1} << 30;
/// All tensors of one file together: more wouldn't fit in one request.
inline constexpr size_t kMaxTensorBytes = wire::kLargestMessageBytes;
inline constexpr size_t kMaxTensors = 1024;
inline constexpr size_t kMaxRank = 32;
inline constexpr size_t kMaxNameBytes = 1024;

/// Types for tensors that a JSON file lists without saying their type: the model's own. Without
/// one, numbers are float if any has a fraction, otherwise int64.
using TypesByName = std::map<std::string, wire::ElementType, std::less<>>;

/// Bytes of a tensor. Errors: kMalformed `tensor_shape_negative`, kUnsupported
/// `tensor_type_unsupported` (no fixed width), kOverLimit `tensor_over_limit` (rank or size).
Result<size_t> ByteCount(wire::ElementType type, std::span<const int64_t> shape);

/// All tensors of a file, in its order; the file's kind is told by its extension.
/// Errors: those of ReadSecretFile and ByteCount; kInvalidArgument `tensor_file_kind_unknown`;
/// kMalformed `npy_malformed`, `npz_malformed`, `npz_implausible_size`, `json_malformed`,
/// `json_ragged`, `json_shape_mismatch`, `json_type_mismatch`, `json_number_out_of_range`,
/// `tensor_name_twice`; kUnsupported `npy_unsupported`, `npz_unsupported`; kOverLimit
/// `tensor_over_limit`.
Result<std::vector<NamedTensor>> ReadTensors(const std::filesystem::path& path,
                                             const TypesByName& untyped = {});

/// Writes a file atomically, readable by its owner alone. Equal tensors make equal files.
/// Errors: kIo `file_unwritable`; kInvalidArgument `tensor_file_kind_unknown`,
/// `npy_holds_one_tensor`, `tensor_name_twice`; kUnsupported `npy_unsupported` (bfloat16, and all
/// types of less than eight bits and floats of eight: NumPy has none of them).
Done WriteTensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace ephemeralml::tensors
