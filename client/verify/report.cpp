#include "client/verify/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "client/verify/trust_root.h"

namespace ephemeralml::verify {
namespace {

std::string_view Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPassed:
      return "passed";
    case Verdict::kFailed:
      return "failed";
    case Verdict::kNotChecked:
      return "not checked";
  }
  return "not checked";
}

std::string Detail(const CheckResult& result) {
  if (result.verdict == Verdict::kFailed) {
    return fmt::format("{}: {}", result.reason, result.what);
  }
  return result.what;
}

}  // namespace

const CheckResult* Report::FirstFailure() const {
  const auto failure = std::ranges::find(checks, Verdict::kFailed, &CheckResult::verdict);
  return failure == checks.end() ? nullptr : &*failure;
}

std::string Report::ToText() const {
  std::string text;
  if (!PlatformNotice().empty()) text += fmt::format("{}\n", PlatformNotice());
  if (document.has_value()) {
    text += fmt::format("module       {}\ntime         {}\n", document->module_id,
                        verify::ToText(document->timestamp));
    for (const auto& [index, pcr] : document->pcrs) {
      text += fmt::format("PCR{:<9} {}\n", index, ToHex(pcr));
    }
  }
  for (const CheckResult& result : checks) {
    text += fmt::format("{:<12} {:<11} {}\n", result.check, Name(result.verdict), Detail(result));
  }
  const CheckResult* failure = FirstFailure();
  text += failure == nullptr ? "verdict      accepted\n"
                             : fmt::format("verdict      refused: {}\n", failure->reason);
  return text;
}

std::string Report::ToJson() const {
  const CheckResult* failure = FirstFailure();
  nlohmann::ordered_json json;
  json["platform"] = PlatformName();
  if (!PlatformNotice().empty()) json["notice"] = PlatformNotice();
  json["accepted"] = failure == nullptr;
  if (failure != nullptr) json["reason"] = failure->reason;
  json["checks"] = nlohmann::ordered_json::array();
  for (const CheckResult& result : checks) {
    nlohmann::ordered_json check = {{"check", result.check}, {"verdict", Name(result.verdict)}};
    if (!result.reason.empty()) check["reason"] = result.reason;
    if (!result.what.empty()) check["detail"] = result.what;
    json["checks"].push_back(std::move(check));
  }
  if (document.has_value()) {
    nlohmann::ordered_json pcrs = nlohmann::ordered_json::object();
    for (const auto& [index, pcr] : document->pcrs) pcrs[std::to_string(index)] = ToHex(pcr);
    json["document"] = {{"module_id", document->module_id},
                        {"timestamp", verify::ToText(document->timestamp)},
                        {"pcrs", std::move(pcrs)}};
  }
  return json.dump(2);
}

}  // namespace ephemeralml::verify
