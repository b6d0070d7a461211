#include "client/verify/time.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace ephemeralml::verify {
namespace {

constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";  // d: a digit
constexpr std::string_view kFraction = ".ddd";

bool Follows(std::string_view text, std::string_view form) {
  if (text.size() != form.size()) return false;
  for (size_t i = 0; i < form.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == 'd' ? !is_digit : text[i] != form[i]) return false;
  }
  return true;
}

int Number(std::string_view digits) {
  int number = 0;
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

std::optional<Time> ReadTime(std::string_view text) {
  if (!text.ends_with('Z')) return {};
  text.remove_suffix(1);
  const bool has_fraction = text.size() > kForm.size();
  if (!Follows(text.substr(0, kForm.size()), kForm) ||
      (has_fraction && !Follows(text.substr(kForm.size()), kFraction))) {
    return {};
  }
  const std::chrono::year_month_day date(
      std::chrono::year(Number(text.substr(0, 4))),
      std::chrono::month(static_cast<unsigned>(Number(text.substr(5, 2)))),
      std::chrono::day(static_cast<unsigned>(Number(text.substr(8, 2)))));
  const int hour = Number(text.substr(11, 2));
  const int minute = Number(text.substr(14, 2));
  const int second = Number(text.substr(17, 2));
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return {};
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second) +
         std::chrono::milliseconds(has_fraction ? Number(text.substr(20, 3)) : 0);
}

}  // namespace

Time Now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::string ToText(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

Result<Time> ParseTime(std::string_view text) {
  const std::optional<Time> time = ReadTime(text);
  if (time.has_value()) return *time;
  return Error{Code::kInvalidArgument, "time_malformed",
               "a time is written as 2022-10-13T08:58:02Z, in UTC"};
}

}  // namespace ephemeralml::verify
