#include "common/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace ephemeralml {

std::string_view Name(Code code) {
  switch (code) {
    case Code::kMalformed:
      return "malformed";
    case Code::kUnauthentic:
      return "unauthentic";
    case Code::kUntrusted:
      return "untrusted";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kInvalidArgument:
      return "invalid_argument";
    case Code::kOverLimit:
      return "over_limit";
    case Code::kNotFound:
      return "not_found";
    case Code::kBusy:
      return "busy";
    case Code::kIo:
      return "io";
    case Code::kInternal:
      return "internal";
  }
  CHECK(false && "a Code outside its enumerators");
}

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace ephemeralml
