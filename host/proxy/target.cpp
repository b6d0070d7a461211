#include "host/proxy/target.h"

namespace ephemeralml::proxy {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::string_view kBlobs = "/v1/blobs/";

}  // namespace

Target ParseTarget(std::string_view text) {
  if (text.starts_with(kScheme)) {
    const size_t path = text.find('/', kScheme.size());
    if (path == std::string_view::npos) return {};
    text.remove_prefix(path);
  }
  if (text == "/healthz") return {Target::Kind::kHealth, {}};
  if (text == "/readyz") return {Target::Kind::kReady, {}};
  if (text.starts_with(kBlobs)) return {Target::Kind::kBlob, text.substr(kBlobs.size())};
  return {};
}

}  // namespace ephemeralml::proxy
