#pragma once
// The files in which a model keeps weights outside its own. Their names come from the model, which
// may be anybody's: only files in the model's own folder, or below it, are read.

#include <filesystem>
#include <map>
#include <optional>

#include "client/decompose/onnx/mapped_file.h"
#include "client/decompose/onnx/model.h"

namespace ephemeralml::onnx {

class ExternalFiles {
 public:
  /// For a model without a folder: every external tensor is refused.
  ExternalFiles() = default;
  explicit ExternalFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// The bytes of an external tensor that has `byte_count` of them; valid while this object lives.
  /// Errors: kMalformed `external_data_invalid` (leaves the folder, too short, numbers that
  /// aren't); those of MappedFile::Open.
  Result<ByteSpan> View(const Tensor& tensor, size_t byte_count);

  /// As MappedFile's, whichever file the part belongs to.
  void Forget(ByteSpan part) const;

 private:
  Result<const MappedFile*> File(std::string_view location);

  std::optional<std::filesystem::path> folder_;
  std::map<std::string, MappedFile, std::less<>> files_;
};

}  // namespace ephemeralml::onnx
