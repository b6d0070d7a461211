#include "common/base/exit_status.h"

namespace ephemeralml {

int ExitStatus(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return 2;
    case Code::kMalformed:
      return 3;
    case Code::kUnauthentic:
      return 4;
    case Code::kUntrusted:
      return 5;
    case Code::kUnsupported:
      return 6;
    case Code::kOverLimit:
      return 7;
    case Code::kNotFound:
      return 8;
    case Code::kBusy:
      return 9;
    case Code::kIo:
      return 10;
    case Code::kInternal:
      return 11;
  }
  return 11;
}

}  // namespace ephemeralml
