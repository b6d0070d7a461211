#pragma once
// Structured logs that can't hold a secret: an event and its fields' names are literals, and a
// field's value is a number or a literal. There is no way to log a string that came from a peer.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "common/base/result.h"

namespace ephemeralml::log {

enum class Level { kTrace, kDebug, kInfo, kWarn, kError };

/// A string that was a literal when the program was compiled.
class Literal {
 public:
  template <size_t N>
  consteval Literal(const char (&text)[N]) : text_(text, N - 1) {}
  constexpr std::string_view Get() const { return text_; }

 private:
  std::string_view text_;
};

/// One name and value of a log line.
class Field {
 public:
  Field(Literal name, std::integral auto value)
      : name_(name), number_(static_cast<int64_t>(value)) {}
  Field(Literal name, Literal text) : name_(name), text_(text.Get()) {}
  /// An error's reason: by Error's contract a literal.
  Field(Literal name, const Error& error) : name_(name), text_(error.reason) {}

  std::string_view name() const { return name_.Get(); }
  std::string_view text() const { return text_; }
  int64_t number() const { return number_; }

 private:
  Literal name_;
  int64_t number_ = 0;
  std::string_view text_;  // empty: the value is number_
};

/// Reads `error`, `warn`, `info`, `debug` or `trace`. Errors: kInvalidArgument `log_level_unknown`.
Result<Level> ParseLevel(std::string_view text);

/// Sets the process's role (its first field) and the least level that is written. From then on
/// writing a line opens no file.
void Configure(Literal role, Level least);

/// Writes one JSON line to standard error. Threads: any.
void Write(Level level, Literal event, std::initializer_list<Field> fields = {});

inline void Trace(Literal event, std::initializer_list<Field> fields = {}) {
  Write(Level::kTrace, event, fields);
}
inline void Debug(Literal event, std::initializer_list<Field> fields = {}) {
  Write(Level::kDebug, event, fields);
}
inline void Info(Literal event, std::initializer_list<Field> fields = {}) {
  Write(Level::kInfo, event, fields);
}
inline void Warn(Literal event, std::initializer_list<Field> fields = {}) {
  Write(Level::kWarn, event, fields);
}
inline void Failure(Literal event, std::initializer_list<Field> fields = {}) {
  Write(Level::kError, event, fields);
}

}  // namespace ephemeralml::log
