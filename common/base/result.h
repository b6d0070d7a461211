#pragma once
// Errors as values. Anything that an outsider can cause is a Result; anything that only a bug can
// cause is a CHECK, which ends the process. Every module uses this and nothing else for errors.

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace ephemeralml {

/// What a caller can do about an error.
enum class Code {
  kMalformed,        ///< The input breaks its format: don't retry, mend the input.
  kUnauthentic,      ///< A tag or signature doesn't match: someone altered the data.
  kUntrusted,        ///< Authentic, but the policy doesn't accept it.
  kUnsupported,      ///< Well-formed, but this build can't do it.
  kInvalidArgument,  ///< The caller's own request makes no sense: change the request.
  kOverLimit,        ///< A documented limit refuses it: make it smaller or raise the limit.
  kNotFound,         ///< The thing named isn't there.
  kBusy,             ///< Try again later.
  kIo,               ///< The operating system or the peer failed: retrying may help.
  kInternal,         ///< A bug, or a library failed where it must not.
};

/// The code's name in snake_case, as it stands in logs and JSON.
std::string_view Name(Code code);

/// One failure: class, stable reason and what a person reads.
/// `reason` is a string literal in snake_case, one per cause, listed in docs/errors.md.
/// Secrets: `what` may hold names, sizes and indices only where the reader owns the model; the
/// host and the enclave print code and reason alone.
struct Error {
  Code code;
  std::string_view reason;
  std::string what;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  using Base = tl::expected<T, Error>;

 public:
  using Base::Base;
  Result(Error error) : Base(tl::unexpect, std::move(error)) {}
};

using Done = Result<void>;

/// Ends the process: a bug was met. Prints the condition's text and place, no values.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace ephemeralml

#define EPHEMERAL_CONCAT_INNER(a, b) a##b
#define EPHEMERAL_CONCAT(a, b) EPHEMERAL_CONCAT_INNER(a, b)

// TRY(const auto x, Expression()): x is the value, or the enclosing function returns the error.
#define TRY(declaration, ...) TRY_INNER(EPHEMERAL_CONCAT(try_, __LINE__), declaration, __VA_ARGS__)
#define TRY_INNER(result, declaration, ...)                  \
  auto result = (__VA_ARGS__);                               \
  if (!result.has_value()) return std::move(result).error(); \
  declaration = *std::move(result)

// TRY_OK(Expression()): the enclosing function returns the error, if there is one.
#define TRY_OK(...)                                         \
  do {                                                      \
    if (auto try_ok = (__VA_ARGS__); !try_ok.has_value()) { \
      return std::move(try_ok).error();                     \
    }                                                       \
  } while (false)

#define CHECK(condition) \
  ((condition) ? void(0) : ::ephemeralml::CheckFailed(#condition, __FILE__, __LINE__))
