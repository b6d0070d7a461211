#include "common/base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <time.h>

#include <iterator>
#include <memory>
#include <string>

namespace ephemeralml::log {
namespace {

std::shared_ptr<spdlog::logger> MakeLogger(std::string_view role, spdlog::level::level_enum least) {
  auto logger = std::make_shared<spdlog::logger>(std::string(role),
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","role":"%n","pid":%P,%v})",
                      spdlog::pattern_time_type::utc);
  logger->set_level(least);
  logger->flush_on(spdlog::level::trace);
  return logger;
}

std::shared_ptr<spdlog::logger>& Logger() {
  static std::shared_ptr<spdlog::logger> logger = MakeLogger("ephemeralml", spdlog::level::info);
  return logger;
}

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kTrace:
      return spdlog::level::trace;
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  CHECK(false && "a Level outside its enumerators");
}

}  // namespace

Result<Level> ParseLevel(std::string_view text) {
  if (text == "error") return Level::kError;
  if (text == "warn") return Level::kWarn;
  if (text == "info") return Level::kInfo;
  if (text == "debug") return Level::kDebug;
  if (text == "trace") return Level::kTrace;
  return Error{Code::kInvalidArgument, "log_level_unknown",
               "the log level must be error, warn, info, debug or trace"};
}

void Configure(Literal role, Level least) {
  // The C library reads the time zone's file when it first tells a date: by then the process may be
  // confined, and opening a file would end it.
  tzset();
  Logger() = MakeLogger(role.Get(), ToSpdlog(least));
}

void Write(Level level, Literal event, std::initializer_list<Field> fields) {
  if (!Logger()->should_log(ToSpdlog(level))) return;
  std::string line = fmt::format(R"("event":"{}")", event.Get());
  for (const Field& field : fields) {
    if (field.text().empty()) {
      fmt::format_to(std::back_inserter(line), R"(,"{}":{})", field.name(), field.number());
    } else {
      fmt::format_to(std::back_inserter(line), R"(,"{}":"{}")", field.name(), field.text());
    }
  }
  Logger()->log(ToSpdlog(level), "{}", line);
}

}  // namespace ephemeralml::log
