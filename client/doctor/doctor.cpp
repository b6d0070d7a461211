#include "client/doctor/doctor.h"

namespace ephemeralml::doctor {

std::string_view Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kSlower:
      return "slower";
    case Verdict::kWeaker:
      return "weaker";
    case Verdict::kUnfit:
      return "unfit";
  }
  return "unfit";
}

std::vector<Check> Examine(const Places& places) {
  return {CheckMemoryLock(), CheckCoreDumps(places), CheckSwap(places), CheckSystemCallFilter(),
          CheckProcessor(),  CheckClock(),           CheckTlsLibrary()};
}

}  // namespace ephemeralml::doctor
