#include "client/decompose/onnx/external_files.h"

#include <charconv>
#include <system_error>

namespace ephemeralml::onnx {
namespace {

Error Invalid(const std::string& what) { return {Code::kMalformed, "external_data_invalid", what}; }

Result<size_t> ReadNumber(std::string_view text) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Invalid("external data is described by '" + std::string(text) +
                   "' where a number must stand");
  }
  return number;
}

bool IsBelow(const std::filesystem::path& folder, const std::filesystem::path& path) {
  const auto relative = path.lexically_relative(folder);
  return !relative.empty() && relative.is_relative() && *relative.begin() != "..";
}

// Both spellings are checked: what the name says, and where links lead.
Result<std::filesystem::path> Confine(const std::filesystem::path& folder,
                                      std::string_view location) {
  const std::filesystem::path name(location);
  const Error outside = Invalid("external data '" + std::string(location) +
                                "' lies outside of the model's folder; move it there");
  if (name.empty() || name.is_absolute() || location.find('\0') != std::string_view::npos) {
    return outside;
  }
  for (const auto& part : name) {
    if (part == "..") return outside;
  }
  std::error_code error;
  const auto real_folder = std::filesystem::canonical(folder, error);
  if (error) return Invalid("the model's folder can't be found");
  const auto real_path = std::filesystem::weakly_canonical(real_folder / name, error);
  if (error || !IsBelow(real_folder, real_path)) return outside;
  return real_path;
}

}  // namespace

Result<const MappedFile*> ExternalFiles::File(std::string_view location) {
  if (!folder_) {
    return Invalid("the model keeps weights in a file of their own, and came without a folder");
  }
  if (const auto known = files_.find(location); known != files_.end()) return &known->second;
  TRY(const std::filesystem::path path, Confine(*folder_, location));
  TRY(MappedFile file, MappedFile::Open(path));
  return &files_.emplace(std::string(location), std::move(file)).first->second;
}

Result<ByteSpan> ExternalFiles::View(const Tensor& tensor, size_t byte_count) {
  std::string_view location;
  size_t offset = 0;
  size_t length = byte_count;
  for (const Tensor::ExternalEntry& entry : tensor.external_data) {
    if (entry.key == "location") {
      location = entry.value;
    } else if (entry.key == "offset") {
      TRY(offset, ReadNumber(entry.value));
    } else if (entry.key == "length") {
      TRY(length, ReadNumber(entry.value));
    }
  }
  TRY(const MappedFile* file, File(location));
  if (length != byte_count || offset > file->bytes().size() ||
      length > file->bytes().size() - offset) {
    return Invalid("'" + std::string(location) + "' doesn't hold the " +
                   std::to_string(byte_count) + " bytes that tensor '" + std::string(tensor.name) +
                   "' needs where the model says");
  }
  return file->bytes().subspan(offset, length);
}

void ExternalFiles::Forget(ByteSpan part) const {
  for (const auto& [name, file] : files_) file.Forget(part);
}

}  // namespace ephemeralml::onnx
