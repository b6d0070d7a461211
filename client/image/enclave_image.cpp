#include "client/image/enclave_image.h"

#include <zlib.h>

#include <algorithm>
#include <string>

namespace ephemeralml::image {
namespace {

Error Malformed(const std::string& what) {
  return {Code::kMalformed, "image_malformed", "the enclave image: " + what};
}

uint32_t Checksum(ByteSpan file) {
  const ByteSpan head = file.first(kHeaderBytes - kChecksumBytes);
  const ByteSpan body = file.subspan(kHeaderBytes);
  const uLong first = crc32_z(crc32_z(0, nullptr, 0), head.data(), head.size());
  return static_cast<uint32_t>(crc32_z(first, body.data(), body.size()));
}

struct Header {
  uint16_t version = 0;
  uint16_t flags = 0;
  uint16_t section_count = 0;
  std::vector<uint64_t> offsets;
  std::vector<uint64_t> sizes;
  uint32_t checksum = 0;
};

Result<std::vector<uint64_t>> ReadNumbers(ByteReader& reader) {
  std::vector<uint64_t> numbers;
  numbers.reserve(kMostSections);
  for (size_t i = 0; i < kMostSections; ++i) {
    TRY(const uint64_t number, reader.ReadU64BigEndian());
    numbers.push_back(number);
  }
  return numbers;
}

Result<Header> ReadHeader(ByteReader& reader) {
  Header header;
  TRY(const ByteSpan magic, reader.ReadBytes(kMagic.size()));
  if (!std::ranges::equal(magic, kMagic)) return Malformed("it doesn't begin as one");
  TRY(header.version, reader.ReadU16BigEndian());
  if (header.version < kOldestVersion || header.version > kVersion) {
    return Error{Code::kUnsupported, "image_version_unsupported",
                 "an enclave image of version " + std::to_string(header.version) + "; from " +
                     std::to_string(kOldestVersion) + " to " + std::to_string(kVersion) +
                     " are known"};
  }
  TRY(header.flags, reader.ReadU16BigEndian());
  // The image's own wishes for memory and processors, which nothing heeds, and what is reserved.
  TRY_OK(reader.ReadBytes(2 * sizeof(uint64_t) + sizeof(uint16_t)));
  TRY(header.section_count, reader.ReadU16BigEndian());
  TRY(header.offsets, ReadNumbers(reader));
  TRY(header.sizes, ReadNumbers(reader));
  TRY_OK(reader.ReadBytes(sizeof(uint32_t)));
  TRY(header.checksum, reader.ReadU32BigEndian());
  return header;
}

Result<Section> ReadSection(ByteReader& reader, uint64_t expected_size) {
  TRY(const uint16_t type, reader.ReadU16BigEndian());
  TRY_OK(reader.ReadU16BigEndian());
  TRY(const uint64_t size, reader.ReadU64BigEndian());
  if (type < static_cast<uint16_t>(SectionType::kKernel) ||
      type > static_cast<uint16_t>(SectionType::kMetadata)) {
    return Malformed("a section of the unknown type " + std::to_string(type));
  }
  if (size != expected_size) return Malformed("a section's size differs from the header's");
  TRY(const ByteSpan data, reader.ReadBytes(size));
  return Section{static_cast<SectionType>(type), data};
}

Done CheckSections(const EnclaveImage& image) {
  const auto count = [&](SectionType type) {
    return std::ranges::count(image.sections, type, &Section::type);
  };
  if (count(SectionType::kKernel) != 1) return Malformed("it must hold exactly one kernel");
  if (count(SectionType::kCommandLine) != 1) return Malformed("it must hold one command line");
  if (count(SectionType::kSignature) > 1) return Malformed("it holds several signatures");
  if (count(SectionType::kMetadata) > 1) return Malformed("it holds metadata several times");
  if (image.version >= kMetadataVersion && count(SectionType::kMetadata) == 0) {
    return Malformed("it holds no metadata");
  }
  const auto kernel = std::ranges::find(image.sections, SectionType::kKernel, &Section::type);
  const auto ramdisk = std::ranges::find(image.sections, SectionType::kRamdisk, &Section::type);
  if (ramdisk < kernel) return Malformed("a ramdisk comes before the kernel");
  return {};
}

}  // namespace

ByteSpan EnclaveImage::Find(SectionType type) const {
  const auto found = std::ranges::find(sections, type, &Section::type);
  return found == sections.end() ? ByteSpan() : found->data;
}

bool EnclaveImage::Has(SectionType type) const {
  return std::ranges::find(sections, type, &Section::type) != sections.end();
}

std::string_view Name(SectionType type) {
  switch (type) {
    case SectionType::kKernel:
      return "kernel";
    case SectionType::kCommandLine:
      return "command_line";
    case SectionType::kRamdisk:
      return "ramdisk";
    case SectionType::kSignature:
      return "signature";
    case SectionType::kMetadata:
      return "metadata";
  }
  return "unknown";
}

Result<EnclaveImage> ReadImage(ByteSpan file) {
  ByteReader reader(file);
  TRY(const Header header, ReadHeader(reader));
  if (Checksum(file) != header.checksum) {
    return Error{Code::kMalformed, "image_checksum_mismatch",
                 "the enclave image's checksum is wrong: it was cut or altered"};
  }
  if (header.section_count > kMostSections) return Malformed("too many sections");
  EnclaveImage image;
  image.version = header.version;
  image.is_arm64 = (header.flags & kArm64Flag) != 0;
  for (size_t i = 0; i < header.section_count; ++i) {
    if (header.offsets[i] != file.size() - reader.remaining()) {
      return Malformed("a section doesn't begin where the one before it ends");
    }
    TRY(const Section section, ReadSection(reader, header.sizes[i]));
    image.sections.push_back(section);
  }
  if (reader.remaining() != 0) return Malformed("something follows the last section");
  TRY_OK(CheckSections(image));
  return image;
}

Bytes WriteImage(const EnclaveImage& image) {
  CHECK(image.sections.size() <= kMostSections && CheckSections(image).has_value());
  std::vector<uint64_t> offsets(kMostSections, 0);
  std::vector<uint64_t> sizes(kMostSections, 0);
  uint64_t end = kHeaderBytes;
  for (size_t i = 0; i < image.sections.size(); ++i) {
    offsets[i] = end;
    sizes[i] = image.sections[i].data.size();
    end += kSectionHeaderBytes + sizes[i];
  }
  Bytes file;
  file.reserve(end);
  AppendBytes(file, kMagic);
  AppendU16BigEndian(file, image.version);
  AppendU16BigEndian(file, image.is_arm64 ? kArm64Flag : 0);
  AppendU64BigEndian(file, kDefaultMemoryBytes);
  AppendU64BigEndian(file, kDefaultProcessors);
  AppendU16BigEndian(file, 0);
  AppendU16BigEndian(file, static_cast<uint16_t>(image.sections.size()));
  for (const uint64_t offset : offsets) AppendU64BigEndian(file, offset);
  for (const uint64_t size : sizes) AppendU64BigEndian(file, size);
  AppendU32BigEndian(file, 0);
  AppendU32BigEndian(file, 0);
  for (const Section& section : image.sections) {
    AppendU16BigEndian(file, static_cast<uint16_t>(section.type));
    AppendU16BigEndian(file, 0);
    AppendU64BigEndian(file, section.data.size());
    AppendBytes(file, section.data);
  }
  Bytes checksum;
  AppendU32BigEndian(checksum, Checksum(file));
  std::ranges::copy(checksum, file.begin() + (kHeaderBytes - kChecksumBytes));
  return file;
}

}  // namespace ephemeralml::image
