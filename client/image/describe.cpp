#include "client/image/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "client/verify/policy.h"
#include "common/crypto/sha384.h"

namespace ephemeralml::image {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint8_t kCertificatePcr = 8;
constexpr size_t kLongestSetName = 128;

// What others wrote may hold anything, a terminal's commands too.
std::string Printable(std::string_view text) {
  std::string shown(text);
  std::ranges::replace_if(
      shown, [](char one) { return one < ' ' || one >= 0x7f; }, '?');
  return shown;
}

std::string_view MachineName(const Description& description) {
  return description.is_arm64 ? "aarch64" : "x86_64";
}

std::string SignatureText(const Description& description) {
  if (!description.signature.has_value()) return "none";
  const Result<SignatureReport>& verdict = *description.signature;
  if (!verdict.has_value()) {
    return fmt::format("REFUSED: {} [{}]", Printable(verdict.error().what), verdict.error().reason);
  }
  return fmt::format("valid, by {} (until {})", Printable(verdict->subject),
                     Printable(verdict->expires));
}

Json SignatureJson(const Description& description) {
  if (!description.signature.has_value()) return nullptr;
  const Result<SignatureReport>& verdict = *description.signature;
  if (!verdict.has_value()) return {{"valid", false}, {"reason", verdict.error().reason}};
  return {{"valid", true},
          {"subject", verdict->subject},
          {"expires", verdict->expires},
          {"certificate", ToHex(verdict->certificate)}};
}

Json MetadataJson(const std::optional<Metadata>& metadata) {
  if (!metadata.has_value()) return nullptr;
  Json packages = Json::object();
  for (const Package& package : metadata->packages) packages[package.name] = package.version;
  return {{"name", metadata->name},
          {"version", metadata->version},
          {"kernel_version", metadata->kernel_version},
          {"packages", packages}};
}

}  // namespace

Result<Description> Describe(ByteSpan file) {
  TRY(const EnclaveImage image, ReadImage(file));
  Description description;
  description.version = image.version;
  description.is_arm64 = image.is_arm64;
  for (const Section& section : image.sections) {
    description.parts.push_back(
        {Name(section.type), section.data.size(), ToHex(crypto::Sha384::Of(section.data))});
  }
  description.command_line = AsText(image.Find(SectionType::kCommandLine));
  description.pcrs = MeasureContents(image);
  if (image.Has(SectionType::kMetadata)) {
    auto metadata = ReadMetadata(AsText(image.Find(SectionType::kMetadata)));
    if (metadata.has_value()) description.metadata = *std::move(metadata);
  }
  if (image.Has(SectionType::kSignature)) {
    const ByteSpan section = image.Find(SectionType::kSignature);
    TRY(description.pcrs[kCertificatePcr], MeasureCertificate(section));
    description.signature = VerifySignature(section, description.pcrs.at(0));
  }
  return description;
}

std::string ToText(const Description& description) {
  std::string text = fmt::format("enclave image, version {}, {}, checksum right\n",
                                 description.version, MachineName(description));
  for (const Description::Part& part : description.parts) {
    text += fmt::format("  {:<13}{:>12} bytes  sha384 {}\n", part.type, part.bytes, part.digest);
  }
  text += "command line: " + Printable(description.command_line) + "\n";
  for (const auto& [index, pcr] : description.pcrs) {
    text += fmt::format("PCR{}: {}\n", index, ToHex(pcr));
  }
  text += "signature: " + SignatureText(description) + "\n";
  if (!description.metadata.has_value()) return text + "metadata: none that can be read\n";
  const Metadata& metadata = *description.metadata;
  text += fmt::format("not measured, as the image's maker says: {} {}, kernel {}, {} packages\n",
                      Printable(metadata.name), Printable(metadata.version),
                      Printable(metadata.kernel_version), metadata.packages.size());
  for (const Package& package : metadata.packages) {
    text += fmt::format("  {} {}\n", Printable(package.name), Printable(package.version));
  }
  return text;
}

std::string ToJson(const Description& description) {
  Json parts = Json::array();
  for (const Description::Part& part : description.parts) {
    parts.push_back({{"type", part.type}, {"bytes", part.bytes}, {"sha384", part.digest}});
  }
  Json pcrs = Json::object();
  for (const auto& [index, pcr] : description.pcrs)
    pcrs["PCR" + std::to_string(index)] = ToHex(pcr);
  const Json json = {{"version", description.version},
                     {"machine", MachineName(description)},
                     {"sections", parts},
                     {"command_line", description.command_line},
                     {"measurements", pcrs},
                     {"signature", SignatureJson(description)},
                     {"metadata", MetadataJson(description.metadata)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ToPolicy(const Description& description, std::string_view fallback_name) {
  verify::MeasurementSet set;
  if (description.metadata.has_value()) {
    set.name = Printable(description.metadata->name + " " + description.metadata->version);
  }
  if (set.name.size() <= 1) set.name = Printable(fallback_name);
  set.name.resize(std::min(set.name.size(), kLongestSetName));
  set.pcrs = description.pcrs;
  return verify::ToToml(set);
}

}  // namespace ephemeralml::image
