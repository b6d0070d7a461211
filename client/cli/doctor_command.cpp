#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"
#include "client/doctor/doctor.h"

namespace ephemeralml::cli {
namespace {

using doctor::Check;
using doctor::Verdict;

nlohmann::json ToJson(const Check& check) {
  nlohmann::json facts = nlohmann::json::object();
  for (const doctor::Fact& fact : check.facts) {
    std::visit([&](const auto& value) { facts[fact.name] = value; }, fact.value);
  }
  return {{"name", check.name},   {"verdict", Name(check.verdict)}, {"found", check.found},
          {"costs", check.costs}, {"remedy", check.remedy},         {"facts", facts}};
}

void PrintText(const Check& check) {
  fmt::print("{:7} {}: {}\n", Name(check.verdict), check.name, check.found);
  if (!check.costs.empty()) fmt::print("        costs:  {}\n", check.costs);
  if (!check.remedy.empty()) fmt::print("        remedy: {}\n", check.remedy);
}

Done Judge(const std::vector<Check>& checks) {
  const auto count = [&](Verdict verdict) {
    return std::ranges::count(checks, verdict, &Check::verdict);
  };
  if (count(Verdict::kUnfit) > 0) {
    return Error{Code::kUnsupported, "machine_unfit",
                 "this machine lacks what some program needs to run at all"};
  }
  if (count(Verdict::kWeaker) > 0) {
    return Error{Code::kUnsupported, "machine_weaker",
                 "this machine protects less than it could, in " +
                     std::to_string(count(Verdict::kWeaker)) + " of " +
                     std::to_string(checks.size()) + " points"};
  }
  return {};
}

Done Diagnose(bool as_json) {
  const std::vector<Check> checks = doctor::Examine();
  if (as_json) {
    nlohmann::json list = nlohmann::json::array();
    for (const Check& check : checks) list.push_back(ToJson(check));
    fmt::print("{}\n", nlohmann::json({{"checks", list}}).dump(2));
  } else {
    for (const Check& check : checks) PrintText(check);
  }
  return Judge(checks);
}

}  // namespace

void AddDoctor(CLI::App& app, Action& action) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "doctor",
      "Say what this machine lacks, found by trying, and what each lack costs. Exit status: 0 if "
      "nothing lacks but speed, 6 otherwise");
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([as_json, &action] { action = [as_json] { return Diagnose(*as_json); }; });
}

}  // namespace ephemeralml::cli
