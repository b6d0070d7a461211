#pragma once
// Choices read from a fuzzer's bytes: small changes of the bytes are small changes of what is made.
// Where the bytes end, every choice is the first.

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace ephemeralml::fuzz {

class ByteSource {
 public:
  explicit ByteSource(ByteSpan bytes) : bytes_(bytes) {}

  uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const uint8_t byte = bytes_[0];
    bytes_ = bytes_.subspan(1);
    return byte;
  }

  /// One of `count` numbers from 0; `count` is at least 1.
  size_t Below(size_t count) {
    const size_t number = count > 256 ? Byte() * size_t{256} + Byte() : Byte();
    return number % count;
  }

  /// True in `of` 256ths of the cases.
  bool Chance(unsigned of) { return Byte() >= 256 - of; }

  template <class Choices>
  const auto& Of(const Choices& choices) {
    return choices[Below(choices.size())];
  }

  /// Mostly what networks hold, at times what they never do.
  int64_t Integer() {
    static constexpr auto kAbsurd = std::to_array<int64_t>({std::numeric_limits<int64_t>::min(),
                                                            std::numeric_limits<int64_t>::max(),
                                                            -1,
                                                            -2,
                                                            int64_t{1} << 31,
                                                            -(int64_t{1} << 31),
                                                            (int64_t{1} << 31) - 1,
                                                            int64_t{1} << 32,
                                                            int64_t{1} << 33,
                                                            int64_t{1} << 40,
                                                            -(int64_t{1} << 40),
                                                            int64_t{1} << 62,
                                                            -(int64_t{1} << 62),
                                                            65536,
                                                            1000,
                                                            255,
                                                            100,
                                                            64,
                                                            33,
                                                            32});
    const uint8_t byte = Byte();
    if (byte < 200) return byte % 8;
    if (byte < 220) return -(byte % 8);
    return Of(kAbsurd);
  }

  float Real() {
    static constexpr auto kAbsurd = std::to_array<float>(
        {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
         -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max(),
         std::numeric_limits<float>::lowest(), std::numeric_limits<float>::denorm_min(), -0.0f,
         1e10f, -1e10f, 1e19f, 3e9f, -3e9f});
    const uint8_t byte = Byte();
    if (byte < 220) return static_cast<float>(byte) / 16 - 4;
    return Of(kAbsurd);
  }

  std::string Text(size_t most) {
    std::string text(Below(most + 1), '\0');
    for (char& letter : text) letter = static_cast<char>(Byte());
    return text;
  }

  std::vector<int64_t> Integers(size_t most) {
    std::vector<int64_t> numbers(Below(most + 1));
    for (int64_t& number : numbers) number = Integer();
    return numbers;
  }

 private:
  ByteSpan bytes_;
};

}  // namespace ephemeralml::fuzz
