#pragma once
// Types that can't be mistaken for one another: two numbers, or two byte strings of one length,
// that mean different things are different types.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace ephemeralml {

/// A number with a meaning. `Tag` is any type, usually declared on the spot.
template <class Tag, class Number>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(Number value) : value_(value) {}
  constexpr Number Get() const { return value_; }
  constexpr auto operator<=>(const Strong&) const = default;

 private:
  Number value_ = 0;
};

/// N bytes with a meaning. Not for secrets: it copies, compares and prints freely.
template <class Tag, size_t N>
struct FixedBytes : std::array<uint8_t, N> {
  static constexpr size_t kSize = N;
};

}  // namespace ephemeralml
