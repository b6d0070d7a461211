#include "enclave/attest/production_start.h"

#include <sys/statvfs.h>

#include <string>
#include <string_view>

#include "common/base/file.h"

namespace ephemeralml::attest {

Done RequireNoMockSettings(const char* const* environment) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const std::string_view name = entry.substr(0, entry.find('='));
    const bool is_mock = name == "EPHEMERAL_STATE" || name.starts_with("EPHEMERAL_MOCK");
    if (!is_mock || name == "EPHEMERAL_MOCK_MODE") continue;
    return Error{
        Code::kInvalidArgument, "mock_setting_refused",
        std::string(name) + " is for mock mode: a production enclave doesn't start with it"};
  }
  return {};
}

Done RequireReadOnly(const char* path) {
  struct statvfs status = {};
  if (statvfs(path, &status) != 0) {
    return ErrnoError("platform_unavailable", "can't tell whether the root can be written");
  }
  if ((status.f_flag & ST_RDONLY) != 0) return {};
  return Error{Code::kUntrusted, "root_writable",
               std::string("the file system at ") + path +
                   " can be written: what runs here may not be what was measured"};
}

}  // namespace ephemeralml::attest
