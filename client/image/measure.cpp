#include "client/image/measure.h"

#include <algorithm>

#include "common/crypto/sha384.h"

namespace ephemeralml::image {

cose::Pcr Measure(const std::vector<ByteSpan>& contents) {
  crypto::Sha384 content_digest;
  for (const ByteSpan content : contents) content_digest.Update(content);
  crypto::Sha384 extension;
  extension.Update(cose::Pcr{});
  extension.Update(content_digest.Finish());
  cose::Pcr pcr;
  std::ranges::copy(extension.Finish(), pcr.begin());
  return pcr;
}

cose::PcrBank MeasureContents(const EnclaveImage& image) {
  std::vector<ByteSpan> all;
  std::vector<ByteSpan> boot;
  std::vector<ByteSpan> application;
  bool is_first_ramdisk = true;
  for (const Section& section : image.sections) {
    const bool is_ramdisk = section.type == SectionType::kRamdisk;
    if (!is_ramdisk && section.type != SectionType::kKernel &&
        section.type != SectionType::kCommandLine) {
      continue;
    }
    all.push_back(section.data);
    const bool is_application = is_ramdisk && !is_first_ramdisk;
    (is_application ? application : boot).push_back(section.data);
    if (is_ramdisk) is_first_ramdisk = false;
  }
  return {
      {uint8_t{0}, Measure(all)}, {uint8_t{1}, Measure(boot)}, {uint8_t{2}, Measure(application)}};
}

}  // namespace ephemeralml::image
