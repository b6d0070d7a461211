#include "client/image/metadata.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ephemeralml::image {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kTool = "ephemeralml-eif";
constexpr std::string_view kNoTime = "1970-01-01T00:00:00+00:00";

std::string TextOf(const Json& object, std::string_view key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& MemberOf(const Json& object, std::string_view key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

}  // namespace

std::string ToJson(const Metadata& metadata) {
  Json packages = Json::object();
  for (const Package& package : metadata.packages) packages[package.name] = package.version;
  const Json json = {{"ImageName", metadata.name},
                     {"ImageVersion", metadata.version},
                     {"BuildMetadata",
                      {{"BuildTime", kNoTime},
                       {"BuildTool", kTool},
                       {"BuildToolVersion", EPHEMERAL_VERSION},
                       {"OperatingSystem", "Linux"},
                       {"KernelVersion", metadata.kernel_version}}},
                     {"DockerInfo", Json::object()},
                     {"CustomMetadata", {{"packages", packages}}}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Metadata> ReadMetadata(std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (!parsed.is_object()) {
    return Error{Code::kMalformed, "image_metadata_malformed",
                 "the image's metadata isn't a JSON object"};
  }
  Metadata metadata;
  metadata.name = TextOf(parsed, "ImageName");
  metadata.version = TextOf(parsed, "ImageVersion");
  metadata.kernel_version = TextOf(MemberOf(parsed, "BuildMetadata"), "KernelVersion");
  const Json& packages = MemberOf(MemberOf(parsed, "CustomMetadata"), "packages");
  if (packages.is_object()) {
    for (const auto& [name, version] : packages.items()) {
      if (version.is_string()) metadata.packages.push_back({name, version.get<std::string>()});
    }
  }
  return metadata;
}

Result<std::vector<Package>> ParsePackages(std::string_view text) {
  const auto is_word = [](std::string_view word) {
    return !word.empty() &&
           std::ranges::all_of(word, [](char one) { return one > ' ' && one < 0x7f; });
  };
  std::vector<Package> packages;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t space = std::min(line.find(' '), line.size());
    const std::string_view name = line.substr(0, space);
    const std::string_view version = line.substr(std::min(space + 1, line.size()));
    if (!is_word(name) || !is_word(version)) {
      return Error{Code::kMalformed, "package_list_malformed",
                   "a line of the list of packages isn't a name and a version"};
    }
    packages.push_back({std::string(name), std::string(version)});
  }
  std::ranges::sort(packages, {}, &Package::name);
  return packages;
}

}  // namespace ephemeralml::image
