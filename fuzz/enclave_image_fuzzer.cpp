// Reaches: image::Describe, image::ReadImage, image::VerifySignature, image::ReadMetadata,
// image::ReadElf, image::FindElfSection, image::KernelVersion, image::ParsePackages

#include <zlib.h>

#include "client/image/describe.h"
#include "client/image/elf_file.h"
#include "client/image/kernel.h"

namespace {

using namespace ephemeralml;

// A fuzzer doesn't find checksums, and whoever alters an image mends its own.
Bytes WithRightChecksum(Bytes file) {
  if (file.size() < image::kHeaderBytes) return file;
  const size_t head = image::kHeaderBytes - image::kChecksumBytes;
  const uLong first = crc32_z(0, file.data(), head);
  const uLong checksum =
      crc32_z(first, file.data() + image::kHeaderBytes, file.size() - image::kHeaderBytes);
  for (size_t i = 0; i < image::kChecksumBytes; ++i) {
    file[head + i] = static_cast<uint8_t>(checksum >> (8 * (image::kChecksumBytes - 1 - i)));
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteSpan input(data, size);
  const Bytes file = WithRightChecksum({input.begin(), input.end()});
  if (const auto description = image::Describe(file); description.has_value()) {
    CHECK(!image::ToText(*description).empty() && !image::ToJson(*description).empty());
    CHECK(!image::ToPolicy(*description, "fuzz").empty());
    CHECK(description->pcrs == image::MeasureContents(image::ReadImage(file).value()) ||
          description->signature.has_value());
  }
  (void)image::ReadElf(input);
  (void)image::FindElfSection(input, ".modinfo");
  (void)image::KernelVersion(input);
  (void)image::ParsePackages(AsText(input));
  return 0;
}
