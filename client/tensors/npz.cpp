#include "client/tensors/npz.h"

#include <zip.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "client/tensors/npy.h"

namespace ephemeralml::tensors {
namespace {

constexpr std::string_view kSuffix = ".npy";
// Deflate can't expand by more than 1032 (RFC 1951: 258 bytes from two bits). An archive that
// claims more lies, and isn't given the memory.
constexpr uint64_t kMaxDeflateRatio = 1032;
constexpr uint64_t kSmallMemberBytes = 64 << 10;
// 1 January 1980: the earliest date that ZIP knows.
constexpr uint16_t kDosDate = (1 << 5) | 1;
// An end record alone, saying that nothing precedes it.
constexpr char kEmptyArchive[22] = {'P', 'K', 5, 6};

struct DiscardArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, DiscardArchive>;

struct FreeSource {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
using Source = std::unique_ptr<zip_source_t, FreeSource>;

struct CloseMember {
  void operator()(zip_file_t* member) const { (void)zip_fclose(member); }
};
using Member = std::unique_ptr<zip_file_t, CloseMember>;

Error Malformed(std::string what) { return {Code::kMalformed, "npz_malformed", std::move(what)}; }

Error Unwritable(std::string what) {
  return {Code::kInternal, "npz_unwritable", "libzip can't " + std::move(what)};
}

Result<Archive> OpenToRead(ByteSpan file) {
  // libzip takes a file of no bytes for an archive of no members.
  if (file.empty()) return Malformed("the file is empty");
  Source source(zip_source_buffer_create(file.data(), file.size(), 0, nullptr));
  CHECK(source != nullptr);
  Archive archive(zip_open_from_source(source.get(), ZIP_RDONLY | ZIP_CHECKCONS, nullptr));
  if (archive == nullptr) return Malformed("the file isn't a consistent ZIP archive");
  (void)source.release();  // the archive owns it now
  return archive;
}

Done CheckMember(const zip_stat_t& member) {
  constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                   ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if ((member.valid & kNeeded) != kNeeded) return Malformed("a member lacks its description");
  const std::string_view name = member.name;
  if (name.size() > kMaxNameBytes) {
    return Error{Code::kOverLimit, "tensor_over_limit", "a member's name is too long"};
  }
  const bool known_method =
      member.comp_method == ZIP_CM_STORE || member.comp_method == ZIP_CM_DEFLATE;
  if (!known_method || member.encryption_method != ZIP_EM_NONE || !name.ends_with(kSuffix)) {
    return Error{Code::kUnsupported, "npz_unsupported",
                 "member '" + std::string(name) +
                     "' isn't a stored or deflated .npy file; write the archive with NumPy"};
  }
  if (member.size > kSmallMemberBytes && member.size / kMaxDeflateRatio > member.comp_size) {
    return Error{
        Code::kMalformed, "npz_implausible_size",
        "member '" + std::string(name) + "' claims to hold more than its compressed bytes can"};
  }
  return {};
}

// Reads one byte past the claimed size too: only then does libzip compare the checksum, and only
// so is a member found that goes on.
Result<SecretBytes> ReadMember(zip_t* archive, zip_uint64_t index, size_t size) {
  const Member member(zip_fopen_index(archive, index, 0));
  if (member == nullptr) return Malformed("a member can't be opened");
  SecretBytes bytes(size);
  MutableByteSpan rest = bytes.Fill();
  while (!rest.empty()) {
    const zip_int64_t count = zip_fread(member.get(), rest.data(), rest.size());
    if (count <= 0) return Malformed("a member is damaged or cut off");
    rest = rest.subspan(static_cast<size_t>(count));
  }
  uint8_t beyond = 0;
  if (zip_fread(member.get(), &beyond, 1) != 0) return Malformed("a member is damaged");
  return bytes;
}

// A buffer that libzip writes an archive into.
Result<SecretBytes> TakeContents(zip_source_t* source) {
  zip_stat_t status;
  zip_stat_init(&status);
  if (zip_source_stat(source, &status) != 0 || (status.valid & ZIP_STAT_SIZE) == 0 ||
      zip_source_open(source) != 0) {
    return Unwritable("open the archive it wrote");
  }
  SecretBytes contents(status.size);
  const zip_int64_t count = zip_source_read(source, contents.Fill().data(), contents.size());
  (void)zip_source_close(source);
  if (count < 0 || static_cast<size_t>(count) != contents.size()) {
    return Unwritable("read the archive it wrote");
  }
  return contents;
}

Done AddMember(zip_t* archive, const std::string& name, ByteSpan contents) {
  Source source(zip_source_buffer_create(contents.data(), contents.size(), 0, nullptr));
  CHECK(source != nullptr);
  const zip_int64_t index =
      zip_file_add(archive, (name + std::string(kSuffix)).c_str(), source.get(), ZIP_FL_ENC_UTF_8);
  if (index < 0) return Unwritable("add a member; is the tensor's name UTF-8 and short?");
  (void)source.release();  // the archive owns it now
  const auto at = static_cast<zip_uint64_t>(index);
  if (zip_file_set_dostime(archive, at, 0, kDosDate, 0) != 0 ||
      zip_set_file_compression(archive, at, ZIP_CM_DEFLATE, 0) != 0) {
    return Unwritable("describe a member");
  }
  return {};
}

}  // namespace

Result<std::vector<NamedTensor>> DecodeNpz(ByteSpan file, size_t limit_bytes) {
  TRY(const Archive archive, OpenToRead(file));
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  if (count < 0 || static_cast<size_t>(count) > kMaxTensors) {
    return Error{Code::kOverLimit, "tensor_over_limit",
                 "the archive has more than " + std::to_string(kMaxTensors) + " members"};
  }
  std::vector<NamedTensor> tensors;
  size_t total = 0;
  for (zip_uint64_t index = 0; index < static_cast<zip_uint64_t>(count); ++index) {
    zip_stat_t status;
    zip_stat_init(&status);
    if (zip_stat_index(archive.get(), index, 0, &status) != 0) {
      return Malformed("a member has no description");
    }
    TRY_OK(CheckMember(status));
    // The .npy headers of all members fit into the slack.
    if (status.size > limit_bytes + kSmallMemberBytes - total) {
      return Error{Code::kOverLimit, "tensor_over_limit",
                   "the archive holds more than " + std::to_string(limit_bytes) + " bytes"};
    }
    TRY(const SecretBytes member, ReadMember(archive.get(), index, status.size));
    std::string name(status.name);
    name.resize(name.size() - kSuffix.size());
    TRY(auto tensor, DecodeNpy(std::move(name), member.Reveal()));
    total += tensor.data.size();
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Result<SecretBytes> EncodeNpz(std::span<const NamedTensor> tensors) {
  // libzip writes no file at all for an archive without members.
  if (tensors.empty()) return SecretBytes::CopyOf(AsBytes({kEmptyArchive, sizeof kEmptyArchive}));
  // Outlives the archive, which reads the members when it is closed.
  std::vector<SecretBytes> members;
  const Source file(zip_source_buffer_create(nullptr, 0, 0, nullptr));
  CHECK(file != nullptr);
  Archive archive(zip_open_from_source(file.get(), ZIP_CREATE | ZIP_TRUNCATE, nullptr));
  if (archive == nullptr) return Unwritable("begin an archive");
  zip_source_keep(file.get());  // the archive gives back its own hold only
  for (const NamedTensor& tensor : tensors) {
    TRY(SecretBytes member, EncodeNpy(tensor));
    members.push_back(std::move(member));
    TRY_OK(AddMember(archive.get(), tensor.name, members.back().Reveal()));
  }
  if (zip_close(archive.get()) != 0) return Unwritable("write the archive");
  (void)archive.release();  // closed
  return TakeContents(file.get());
}

}  // namespace ephemeralml::tensors
