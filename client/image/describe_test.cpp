#include "client/image/describe.h"

#include <gmock/gmock.h>

#include "client/verify/policy.h"

namespace ephemeralml::image {
namespace {

using testing::HasSubstr;
using testing::Not;

EnclaveImage Unsigned(std::string_view metadata) {
  EnclaveImage image;
  image.sections = {{SectionType::kKernel, AsBytes("kernel")},
                    {SectionType::kCommandLine, AsBytes("quiet")},
                    {SectionType::kMetadata, AsBytes(metadata)},
                    {SectionType::kRamdisk, AsBytes("ramdisk")}};
  return image;
}

Description Described(std::string_view metadata) {
  return Describe(WriteImage(Unsigned(metadata))).value();
}

verify::MeasurementSet SetOf(const std::string& policy) {
  const auto parsed = verify::Policy::Parse(policy, verify::TrustOnFirstUse::kAsPlatform);
  return parsed.value().measurements().at(0);
}

TEST(Describe, WritesAPolicyThatTheClientTakes) {
  const std::string metadata = ToJson({"img", "1.0", "6.12", {}});
  const Description description = Described(metadata);
  const verify::MeasurementSet set = SetOf(ToPolicy(description, "image.eif"));
  EXPECT_EQ(set.name, "img 1.0");
  EXPECT_EQ(set.pcrs, MeasureContents(Unsigned(metadata)));
  EXPECT_FALSE(set.observed);
}

TEST(Describe, NamesASetForTheFileIfTheImageHasNoName) {
  EXPECT_EQ(SetOf(ToPolicy(Described("{}"), "image.eif")).name, "image.eif");
  EXPECT_EQ(SetOf(ToPolicy(Described("no JSON"), "image.eif")).name, "image.eif");
}

TEST(Describe, PrintsNothingThatATerminalWouldObey) {
  const std::string metadata =
      ToJson({"\x1b[2J\"\n", std::string(1000, 'v'), "\x07", {{"p\n", "\x1b"}}});
  const Description description = Described(metadata);
  for (const std::string& text :
       {ToText(description), ToJson(description), ToPolicy(description, "x")}) {
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\x07")));
  }
  EXPECT_EQ(SetOf(ToPolicy(description, "x")).name.size(), 128U);
}

TEST(Describe, RefusesAnImageWhoseSignatureCannotBeRead) {
  EnclaveImage image = Unsigned("{}");
  image.sections.push_back({SectionType::kSignature, AsBytes("none")});
  EXPECT_FALSE(Describe(WriteImage(image)).has_value());
}

}  // namespace
}  // namespace ephemeralml::image
