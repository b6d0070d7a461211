#include "client/tensors/tensors.h"

#include <set>
#include <string_view>
#include <utility>

#include "client/tensors/json.h"
#include "client/tensors/npy.h"
#include "client/tensors/npz.h"
#include "common/base/checked.h"
#include "common/base/file.h"

namespace ephemeralml::tensors {
namespace {

enum class FileKind { kNpy, kNpz, kJson };

Result<FileKind> KindOf(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".npy") return FileKind::kNpy;
  if (extension == ".npz") return FileKind::kNpz;
  if (extension == ".json") return FileKind::kJson;
  return Error{Code::kInvalidArgument, "tensor_file_kind_unknown",
               path.string() + " isn't .npy, .npz or .json; use one of these extensions"};
}

Result<std::vector<NamedTensor>> Decode(FileKind kind, ByteSpan file, const TypesByName& untyped) {
  if (kind == FileKind::kNpz) return DecodeNpz(file);
  if (kind == FileKind::kJson) return DecodeJson(AsText(file), untyped);
  TRY(auto tensor, DecodeNpy("", file));
  std::vector<NamedTensor> tensors;
  tensors.push_back(std::move(tensor));
  return tensors;
}

Result<SecretBytes> Encode(FileKind kind, std::span<const NamedTensor> tensors) {
  if (kind == FileKind::kNpz) return EncodeNpz(tensors);
  if (kind == FileKind::kJson) return EncodeJson(tensors);
  if (tensors.size() != 1) {
    return Error{Code::kInvalidArgument, "npy_holds_one_tensor",
                 "an .npy file holds one tensor, not " + std::to_string(tensors.size()) +
                     "; write .npz or .json"};
  }
  return EncodeNpy(tensors.front());
}

Done CheckNamesDiffer(std::span<const NamedTensor> tensors) {
  std::set<std::string_view> names;
  for (const NamedTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      return Error{Code::kMalformed, "tensor_name_twice",
                   "two tensors are called '" + tensor.name + "'; rename one"};
    }
  }
  return {};
}

Error OverLimit(std::string what) {
  return {Code::kOverLimit, "tensor_over_limit", std::move(what)};
}

}  // namespace

Result<size_t> ByteCount(wire::ElementType type, std::span<const int64_t> shape) {
  size_t bytes = wire::ElementBytes(type);
  if (bytes == 0) {
    return Error{Code::kUnsupported, "tensor_type_unsupported",
                 "files can't hold tensors of type " + std::string(wire::Name(type))};
  }
  if (shape.size() > kMaxRank) {
    return OverLimit("a tensor has " + std::to_string(shape.size()) + " dimensions; at most " +
                     std::to_string(kMaxRank) + " are allowed");
  }
  // Zeros first: [2^40, 0] is an empty tensor whatever its other sizes multiply to.
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) {
      return Error{Code::kMalformed, "tensor_shape_negative", "a tensor has a negative size"};
    }
    empty = empty || size == 0;
  }
  if (empty) return size_t{0};
  for (const int64_t size : shape) {
    auto product = CheckedMultiply(bytes, static_cast<size_t>(size));
    if (!product || *product > kMaxTensorBytes) {
      return OverLimit("a tensor has more than " + std::to_string(kMaxTensorBytes) + " bytes");
    }
    bytes = *product;
  }
  return bytes;
}

Result<std::vector<NamedTensor>> ReadTensors(const std::filesystem::path& path,
                                             const TypesByName& untyped) {
  TRY(const FileKind kind, KindOf(path));
  TRY(const SecretBytes file, ReadSecretFile(path, kMaxFileBytes));
  auto tensors = Decode(kind, file.Reveal(), untyped);
  if (tensors.has_value()) {
    TRY_OK(CheckNamesDiffer(*tensors));
  } else {
    tensors.error().what = path.string() + ": " + tensors.error().what;
  }
  return tensors;
}

Done WriteTensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  TRY(const FileKind kind, KindOf(path));
  TRY_OK(CheckNamesDiffer(tensors));
  TRY(const SecretBytes file, Encode(kind, tensors));
  return WriteFileAtomically(path, file.Reveal(), 0600);
}

}  // namespace ephemeralml::tensors
