#include "client/image/kernel.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "client/image/metadata.h"
#include "common/base/file.h"

namespace ephemeralml::image {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The smallest thing that says of itself what a bzImage says.
Bytes KernelNamed(std::string_view version) {
  constexpr size_t kVersionOffset = 0x300;
  Bytes kernel(kVersionOffset, 0);
  const std::string_view magic = "HdrS";
  std::copy(magic.begin(), magic.end(), kernel.begin() + 0x202);
  kernel[0x20e] = (kVersionOffset - 0x200) & 0xff;
  kernel[0x20f] = (kVersionOffset - 0x200) >> 8;
  AppendBytes(kernel, AsBytes(version));
  return kernel;
}

std::string_view ReasonOf(const Done& done) { return done ? "" : done.error().reason; }

TEST(Kernel, SaysItsVersion) {
  EXPECT_EQ(KernelVersion(KernelNamed("6.12.95-cloud (builder) #1\0")), "6.12.95-cloud");
  EXPECT_EQ(KernelVersion(KernelNamed(std::string_view("6.1\0", 4))), "6.1");
}

TEST(Kernel, SaysNoVersionIfItIsNoBzImageOrIsCut) {
  EXPECT_EQ(KernelVersion(AsBytes("no kernel")), std::nullopt);
  EXPECT_EQ(KernelVersion(Bytes(4096, 0)), std::nullopt);
  EXPECT_EQ(KernelVersion(KernelNamed("6.12.95")), std::nullopt);
  EXPECT_EQ(KernelVersion(KernelNamed(" 6.12")), std::nullopt);
  EXPECT_EQ(KernelVersion(KernelNamed("\x1b[31m ")), std::nullopt);
  const Bytes kernel = KernelNamed("6.12.95 ");
  for (size_t length = 0; length < kernel.size(); ++length) {
    EXPECT_EQ(KernelVersion(ByteSpan(kernel).first(length)), std::nullopt) << length;
  }
}

TEST(KernelModules, ComeAfterWhatTheyNeedAndAreForTheirKernel) {
  const KernelModule base = {"vsock", {}, {}, "6.12.95"};
  const KernelModule upper = {"transport", {}, {"vsock"}, "6.12.95"};
  EXPECT_EQ(ReasonOf(CheckModules({base, upper}, "6.12.95")), "");
  EXPECT_EQ(ReasonOf(CheckModules({base, upper}, std::nullopt)), "");
  EXPECT_EQ(ReasonOf(CheckModules({upper, base}, "6.12.95")), "module_dependency_missing");
  EXPECT_EQ(ReasonOf(CheckModules({upper}, "6.12.95")), "module_dependency_missing");
  EXPECT_EQ(ReasonOf(CheckModules({base}, "6.12.96")), "module_kernel_mismatch");
}

TEST(KernelModules, ThatAreNoneAreRefused) {
  const std::filesystem::path folder = testing::TempDir();
  for (const auto& [name, contents] : std::vector<std::pair<std::string, std::string>>{
           {"a.txt", "x"}, {"a.ko.xz", "not xz"}, {"a.ko", "not ELF"}}) {
    ASSERT_TRUE(WriteFileAtomically(folder / name, AsBytes(contents), 0644));
    const auto module = ReadModule(folder / name);
    ASSERT_FALSE(module.has_value()) << name;
    EXPECT_THAT(module.error().reason, testing::AnyOf("module_malformed", "elf_malformed"));
    std::filesystem::remove(folder / name);
  }
}

TEST(Kernel, ForNitroHasItsDevicesBuiltInOrBesideIt) {
  const std::string all =
      "CONFIG_VIRTIO_MMIO=y\nCONFIG_VIRTIO_MMIO_CMDLINE_DEVICES=y\nCONFIG_VSOCKETS=y\n"
      "CONFIG_VIRTIO_VSOCKETS=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_DEVTMPFS=y\nCONFIG_PROC_FS=y\n";
  EXPECT_THAT(MissingForNitro(all, {}), ElementsAre("CONFIG_NSM"));
  EXPECT_THAT(MissingForNitro(all + "CONFIG_NSM=m\n", {}), ElementsAre("CONFIG_NSM"));
  EXPECT_THAT(MissingForNitro(all + "CONFIG_NSM=y\n", {}), IsEmpty());
  EXPECT_THAT(MissingForNitro(all, {KernelModule{"nsm", {}, {}, ""}}), IsEmpty());
  EXPECT_EQ(MissingForNitro("", {}).size(), 8U);
}

TEST(Metadata, IsReadAsItWasWritten) {
  const Metadata metadata = {
      "name \"quoted\"", "1.0", "6.12", {{"g++", "12.2"}, {"libc6", "2.36"}}};
  const Metadata again = ReadMetadata(ToJson(metadata)).value();
  EXPECT_EQ(again.name, metadata.name);
  EXPECT_EQ(again.version, metadata.version);
  EXPECT_EQ(again.kernel_version, metadata.kernel_version);
  EXPECT_EQ(again.packages, metadata.packages);
}

TEST(Metadata, OfOthersIsReadAsFarAsItGoes) {
  EXPECT_EQ(ReadMetadata("[]").error().reason, "image_metadata_malformed");
  EXPECT_EQ(ReadMetadata("{").error().reason, "image_metadata_malformed");
  const Metadata other =
      ReadMetadata(R"({"ImageName":7,"ImageVersion":"2","CustomMetadata":null})").value();
  EXPECT_EQ(other.name, "");
  EXPECT_EQ(other.version, "2");
  EXPECT_THAT(other.packages, IsEmpty());
}

TEST(Metadata, SortsPackagesAndRefusesOtherLines) {
  EXPECT_THAT(ParsePackages("zlib 1\ng++ 12.2-3+b1\n").value(),
              ElementsAre(Package{"g++", "12.2-3+b1"}, Package{"zlib", "1"}));
  for (const std::string_view text : {"zlib\n", "zlib \n", " 1\n", "a b c\n", "\n", "a\tb\n"}) {
    EXPECT_EQ(ParsePackages(text).error().reason, "package_list_malformed") << text;
  }
}

}  // namespace
}  // namespace ephemeralml::image
