#include "client/image/enclave_image.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <algorithm>
#include <array>

namespace ephemeralml::image {
namespace {

constexpr std::string_view kKernel = "the kernel";
constexpr std::string_view kLine = "quiet";
constexpr std::string_view kJson = "{}";

EnclaveImage Sample() {
  EnclaveImage image;
  image.sections = {{SectionType::kKernel, AsBytes(kKernel)},
                    {SectionType::kCommandLine, AsBytes(kLine)},
                    {SectionType::kMetadata, AsBytes(kJson)},
                    {SectionType::kRamdisk, AsBytes("first")},
                    {SectionType::kRamdisk, AsBytes("second")}};
  return image;
}

// The file as someone would pass it on who altered it and made the checksum right again.
Bytes Resealed(Bytes file) {
  if (file.size() < kHeaderBytes) return file;
  uLong checksum = crc32(0, file.data(), kHeaderBytes - kChecksumBytes);
  checksum =
      crc32(checksum, file.data() + kHeaderBytes, static_cast<uInt>(file.size() - kHeaderBytes));
  for (size_t i = 0; i < kChecksumBytes; ++i) {
    file[kHeaderBytes - 1 - i] = static_cast<uint8_t>(checksum >> (8 * i));
  }
  return file;
}

std::vector<SectionType> TypesOf(const EnclaveImage& image) {
  std::vector<SectionType> types;
  for (const Section& section : image.sections) types.push_back(section.type);
  return types;
}

std::string_view ReasonOf(const Bytes& file) {
  const auto image = ReadImage(file);
  return image.has_value() ? "" : image.error().reason;
}

std::string_view ReasonOf(const EnclaveImage& image) {
  // WriteImage takes nothing malformed, so what is malformed is made of what it wrote.
  Bytes file = WriteImage(Sample());
  size_t place = kHeaderBytes;
  for (size_t i = 0; i < image.sections.size(); ++i) {
    file[place + 1] = static_cast<uint8_t>(image.sections[i].type);
    place += kSectionHeaderBytes + Sample().sections[i].data.size();
  }
  return ReasonOf(Resealed(file));
}

TEST(EnclaveImage, IsReadAsItWasWritten) {
  for (const bool is_arm64 : {false, true}) {
    EnclaveImage written = Sample();
    written.is_arm64 = is_arm64;
    const Bytes file = WriteImage(written);
    const EnclaveImage image = ReadImage(file).value();
    EXPECT_EQ(image.version, 4);
    EXPECT_EQ(image.is_arm64, is_arm64);
    EXPECT_EQ(TypesOf(image), TypesOf(written));
    EXPECT_EQ(AsText(image.Find(SectionType::kKernel)), kKernel);
    EXPECT_EQ(AsText(image.sections.at(4).data), "second");
    EXPECT_EQ(WriteImage(image), file);
  }
}

TEST(EnclaveImage, IsRefusedCutAnywhere) {
  const Bytes file = WriteImage(Sample());
  for (size_t length = 0; length < file.size(); ++length) {
    const Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_NE(ReasonOf(cut), "") << length;
    EXPECT_NE(ReasonOf(Resealed(cut)), "") << length;
  }
}

TEST(EnclaveImage, IsRefusedWithAnyBitFlipped) {
  const Bytes file = WriteImage(Sample());
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    Bytes flipped = file;
    flipped[bit / 8] ^= static_cast<uint8_t>(1U << bit % 8);
    EXPECT_NE(ReasonOf(flipped), "") << bit;
  }
}

TEST(EnclaveImage, WithABitFlippedAndTheChecksumMendedHasTheSameSectionsOrIsRefused) {
  const Bytes file = WriteImage(Sample());
  const std::vector<SectionType> types = TypesOf(Sample());
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    Bytes flipped = file;
    flipped[bit / 8] ^= static_cast<uint8_t>(1U << bit % 8);
    flipped = Resealed(flipped);
    const auto image = ReadImage(flipped);
    refused += image.has_value() ? 0 : 1;
    if (!image.has_value()) continue;
    for (size_t i = 0; i < types.size(); ++i) {
      EXPECT_EQ(image->sections.at(i).data.size(), Sample().sections[i].data.size()) << bit;
    }
  }
  EXPECT_GT(refused, 8 * (sizeof(uint64_t) * 2 * types.size()));  // each bit of offsets and sizes
}

TEST(EnclaveImage, IsRefusedWithSomethingBehindItsSections) {
  Bytes file = WriteImage(Sample());
  file.push_back(0);
  EXPECT_EQ(ReasonOf(file), "image_checksum_mismatch");
  EXPECT_EQ(ReasonOf(Resealed(file)), "image_malformed");
}

TEST(EnclaveImage, IsRefusedWithSectionsThatTheFormatForbids) {
  EnclaveImage image = Sample();
  EXPECT_EQ(ReasonOf(image), "");
  for (size_t i = 0; i < image.sections.size(); ++i) {
    for (const auto type : {SectionType::kKernel, SectionType::kCommandLine}) {
      EnclaveImage other = image;
      other.sections[i].type = type;
      const bool is_same = image.sections[i].type == type;
      EXPECT_EQ(ReasonOf(other), is_same ? "" : "image_malformed") << i;
    }
  }
  EnclaveImage early_ramdisk = image;
  std::swap(early_ramdisk.sections[0].type, early_ramdisk.sections[3].type);
  EXPECT_EQ(ReasonOf(early_ramdisk), "image_malformed");
  EnclaveImage two_signatures = image;
  two_signatures.sections[3].type = two_signatures.sections[4].type = SectionType::kSignature;
  EXPECT_EQ(ReasonOf(two_signatures), "image_malformed");
}

TEST(EnclaveImage, OfAnotherVersionIsUnsupported) {
  Bytes file = WriteImage(Sample());
  for (const uint8_t version : std::array<uint8_t, 4>{0, 1, 5, 255}) {
    file[5] = version;
    EXPECT_EQ(ReasonOf(Resealed(file)), "image_version_unsupported");
  }
  for (const uint8_t version : std::array<uint8_t, 3>{2, 3, 4}) {
    file[5] = version;
    EXPECT_EQ(ReasonOf(Resealed(file)), "");
  }
}

TEST(EnclaveImage, OfVersionFourNeedsMetadata) {
  EnclaveImage image = Sample();
  image.version = 3;
  image.sections.erase(image.sections.begin() + 2);
  Bytes file = WriteImage(image);
  EXPECT_EQ(ReasonOf(file), "");
  file[5] = 4;
  EXPECT_EQ(ReasonOf(Resealed(file)), "image_malformed");
}

}  // namespace
}  // namespace ephemeralml::image
