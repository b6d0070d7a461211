#include "client/verify/policy.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "client/verify/trust_root.h"
#include "common/base/file.h"

namespace ephemeralml::verify {
namespace {

constexpr size_t kLargestFileBytes = 1 << 20;
constexpr size_t kLargestListsBytes = 16 << 20;
constexpr size_t kMostSets = 1000;
constexpr size_t kLongestName = 128;
constexpr int64_t kLongestAgeSeconds = 24 * 3600;
constexpr int64_t kLargestSkewSeconds = 3600;
constexpr std::string_view kObserved = "observed";
constexpr std::string_view kBuilt = "built";

Error Malformed(const std::string& what) {
  return {Code::kMalformed, "policy_malformed", "the policy: " + what};
}

Error Refused(std::string_view reason, const std::string& what) {
  return {Code::kInvalidArgument, reason, "the policy: " + what};
}

Error UnknownKey(const std::string& where, std::string_view key) {
  return Refused("policy_key_unknown", "unknown key '" + std::string(key) + "' in " + where);
}

std::string PcrKey(uint8_t index) { return "pcr" + std::to_string(index); }

Result<std::string> ReadString(const toml::node& node, const std::string& where) {
  const auto* text = node.as_string();
  if (text == nullptr) return Malformed(where + " must be a string");
  return text->get();
}

Result<std::string> ReadName(const toml::node& node) {
  TRY(std::string name, ReadString(node, "'name'"));
  const bool visible = std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~'; });
  if (name.empty() || name.size() > kLongestName || !visible) {
    return Malformed("a set's name must be 1 to 128 printable ASCII characters");
  }
  return name;
}

Result<cose::Pcr> ReadPcr(const toml::node& node, const std::string& key) {
  TRY(const std::string text, ReadString(node, "'" + key + "'"));
  const Result<Bytes> bytes = FromHex(text);
  if (!bytes || bytes->size() != cose::Pcr::kSize) {
    return Malformed("'" + key + "' must be 96 hexadecimal digits");
  }
  cose::Pcr pcr;
  std::ranges::copy(*bytes, pcr.begin());
  return pcr;
}

Result<Time> ReadTime(const toml::node& node) {
  const auto* value = node.as_date_time();
  if (value == nullptr || !value->get().offset.has_value()) {
    return Malformed("'expires' must be a date and time with its zone: 2030-01-31T00:00:00Z");
  }
  const toml::date_time& at = value->get();
  const std::chrono::year_month_day date(std::chrono::year(at.date.year),
                                         std::chrono::month(at.date.month),
                                         std::chrono::day(at.date.day));
  if (!date.ok()) return Malformed("'expires' names a day that doesn't exist");
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(at.time.hour) +
         std::chrono::minutes(at.time.minute - at.offset->minutes) +
         std::chrono::seconds(at.time.second);
}

Result<bool> ReadOrigin(const toml::node& node) {
  TRY(const std::string origin, ReadString(node, "'origin'"));
  if (origin == kObserved) return true;
  if (origin == kBuilt) return false;
  return Malformed("'origin' must be \"built\" or \"observed\"");
}

Done RequireMeaning(const MeasurementSet& set) {
  const auto measured = [&](uint8_t index) {
    const auto pcr = set.pcrs.find(index);
    return pcr != set.pcrs.end() && !pcr->second.IsZero();
  };
  if (set.name.empty()) return Malformed("a set of measurements needs a 'name'");
  for (const uint8_t index : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) {
    if (set.pcrs.contains(index) && !measured(index)) {
      return Refused("policy_debug", "set '" + set.name + "' asks for an all-zero " +
                                         PcrKey(index) + ", a debug enclave's; none is accepted");
    }
  }
  if (!measured(0) && !measured(8)) {
    return Refused("policy_constrains_no_code",
                   "set '" + set.name + "' names neither pcr0 (the image) nor pcr8 (its signer)");
  }
  return {};
}

Result<MeasurementSet> ReadSet(const toml::table& table) {
  MeasurementSet set;
  for (const auto& [key, node] : table) {
    const std::string_view name = key.str();
    if (name == "name") {
      TRY(set.name, ReadName(node));
    } else if (name == "expires") {
      TRY(set.expires, ReadTime(node));
    } else if (name == "origin") {
      TRY(set.observed, ReadOrigin(node));
    } else {
      const auto* const pcr = std::ranges::find(kPolicyPcrs, name, &PcrKey);
      if (pcr == kPolicyPcrs.end()) return UnknownKey("[[measurements]]", name);
      TRY(set.pcrs[*pcr], ReadPcr(node, std::string(name)));
    }
  }
  TRY_OK(RequireMeaning(set));
  return set;
}

Result<std::vector<MeasurementSet>> ReadSets(const toml::node& node) {
  const toml::array* tables = node.as_array();
  if (tables == nullptr || tables->size() > kMostSets) {
    return Malformed("'measurements' must be at most 1000 [[measurements]] tables");
  }
  std::vector<MeasurementSet> sets;
  for (const toml::node& element : *tables) {
    const toml::table* table = element.as_table();
    if (table == nullptr) return Malformed("'measurements' must be [[measurements]] tables");
    TRY(MeasurementSet set, ReadSet(*table));
    if (std::ranges::find(sets, set.name, &MeasurementSet::name) != sets.end()) {
      return Malformed("two sets are called '" + set.name + "'");
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

Result<std::chrono::seconds> ReadSeconds(const toml::node& node, std::string_view key,
                                         int64_t least, int64_t most) {
  const auto* value = node.as_integer();
  if (value == nullptr || value->get() < least || value->get() > most) {
    return Malformed(fmt::format("'{}' must be {} to {} seconds", key, least, most));
  }
  return std::chrono::seconds(value->get());
}

Result<RevocationLists> ReadLists(const toml::node& node, const std::filesystem::path* folder) {
  TRY(const std::string name, ReadString(node, "'revocation_lists'"));
  if (folder == nullptr) {
    return Refused("policy_names_file", "it names the file '" + name +
                                            "', so it must be a file itself, beside that one");
  }
  TRY(const Bytes contents, ReadFile(*folder / name, kLargestListsBytes));
  return RevocationLists::Parse(contents);
}

Result<toml::table> ParseToml(std::string_view text) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return Malformed(fmt::format("line {}: {}", error.source().begin.line, error.description()));
  }
}

bool Meets(const cose::PcrBank& pcrs, const MeasurementSet& set) {
  return std::ranges::all_of(set.pcrs, [&](const auto& wanted) {
    const auto found = pcrs.find(wanted.first);
    return found != pcrs.end() && found->second == wanted.second;
  });
}

}  // namespace

Result<Policy> Policy::Parse(std::string_view text, TrustOnFirstUse trust) {
  return Read(text, trust, nullptr);
}

Result<Policy> Policy::Read(std::string_view text, TrustOnFirstUse trust,
                            const std::filesystem::path* folder) {
  if (text.size() > kLargestFileBytes) {
    return Error{Code::kOverLimit, "file_too_large", "a policy has at most 1 MiB"};
  }
  TRY(const toml::table file, ParseToml(text));
  Policy policy;
  for (const auto& [key, node] : file) {
    if (key == "measurements") {
      TRY(policy.measurements_, ReadSets(node));
    } else if (key == "max_age_seconds") {
      TRY(policy.max_age_, ReadSeconds(node, key.str(), 1, kLongestAgeSeconds));
    } else if (key == "clock_skew_seconds") {
      TRY(policy.clock_skew_, ReadSeconds(node, key.str(), 0, kLargestSkewSeconds));
    } else if (key == "revocation_lists") {
      TRY(policy.revocation_lists_, ReadLists(node, folder));
    } else {
      return UnknownKey("the file", key.str());
    }
  }
  if (policy.measurements_.empty()) {
    return Refused("policy_empty", "it has no [[measurements]], so no enclave could be trusted");
  }
  const bool may_be_observed = trust == TrustOnFirstUse::kAllowed || AcceptsObservedMeasurements();
  const auto observed = std::ranges::find(policy.measurements_, true, &MeasurementSet::observed);
  if (observed != policy.measurements_.end() && !may_be_observed) {
    return Error{Code::kUntrusted, "policy_observed",
                 "set '" + observed->name +
                     "' was only observed on a running enclave; compute it from the image, or "
                     "allow it with --trust-on-first-use"};
  }
  return policy;
}

Result<Policy> Policy::Load(const std::filesystem::path& path, TrustOnFirstUse trust) {
  TRY(const Bytes contents, ReadFile(path, kLargestFileBytes));
  const std::filesystem::path folder = path.parent_path();
  return Read(AsText(contents), trust, &folder);
}

Result<const MeasurementSet*> Policy::Match(const cose::PcrBank& pcrs, Time now) const {
  const MeasurementSet* expired = nullptr;
  for (const MeasurementSet& set : measurements_) {
    if (!Meets(pcrs, set)) continue;
    if (!set.expires.has_value() || now < *set.expires) return &set;
    expired = &set;
  }
  if (expired != nullptr) {
    return Error{Code::kUntrusted, "measurement_expired",
                 "the enclave is '" + expired->name + "', which the policy accepted until " +
                     ToText(*expired->expires) + "; run a newer one, or renew the policy"};
  }
  return Error{Code::kUntrusted, "measurement_mismatch",
               fmt::format("the enclave runs code that none of the policy's {} sets of "
                           "measurements names",
                           measurements_.size())};
}

std::string ToToml(const MeasurementSet& set) {
  toml::table table;
  table.insert("name", set.name);
  if (set.observed) table.insert("origin", kObserved);
  for (const auto& [index, pcr] : set.pcrs) table.insert(PcrKey(index), ToHex(pcr));
  std::ostringstream text;
  text << "[[measurements]]\n" << table << "\n";
  if (set.expires.has_value()) text << "expires = " << ToText(*set.expires) << "\n";
  return text.str();
}

}  // namespace ephemeralml::verify
