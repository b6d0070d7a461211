#include "client/verify/testing/damage.h"

#include <algorithm>

namespace ephemeralml::verify {
namespace {

struct Piece {
  std::ptrdiff_t begin;
  std::ptrdiff_t end;
};

Piece Draw(size_t size, std::mt19937_64& random) {
  const size_t begin = random() % size;
  const size_t longest = std::min<size_t>(size - begin, random() % 2 == 0 ? 8 : size);
  return {static_cast<std::ptrdiff_t>(begin),
          static_cast<std::ptrdiff_t>(begin + 1 + random() % longest)};
}

Bytes DamageOnce(Bytes bytes, const Bytes& other, std::mt19937_64& random) {
  const Piece piece = Draw(bytes.size(), random);
  const Piece foreign = Draw(other.size(), random);
  const Bytes part(bytes.begin() + piece.begin, bytes.begin() + piece.end);
  const auto place = static_cast<std::ptrdiff_t>(random() % bytes.size());
  switch (random() % 6) {
    case 0:
      bytes.resize(static_cast<size_t>(piece.begin));
      break;
    case 1:
      bytes.erase(bytes.begin() + piece.begin, bytes.begin() + piece.end);
      break;
    case 2:
      bytes.insert(bytes.begin() + place, part.begin(), part.end());
      break;
    case 3:
      std::copy_n(
          part.begin(),
          std::min<std::ptrdiff_t>(piece.end - piece.begin, bytes.end() - bytes.begin() - place),
          bytes.begin() + place);
      break;
    case 4:
      bytes.insert(bytes.begin() + place, other.begin() + foreign.begin,
                   other.begin() + foreign.end);
      break;
    default:
      // The head of one, the tail of the other: both well-formed where they were cut alike.
      bytes.resize(static_cast<size_t>(piece.begin));
      bytes.insert(
          bytes.end(),
          other.begin() + std::min<std::ptrdiff_t>(piece.begin, other.end() - other.begin()),
          other.end());
  }
  return bytes;
}

}  // namespace

Bytes Damage(const Bytes& whole, const Bytes& other, std::mt19937_64& random) {
  for (;;) {
    Bytes damaged = DamageOnce(whole, other, random);
    if (damaged != whole && damaged != other) return damaged;
  }
}

void TurnBits(const Bytes& whole, int bit, size_t step,
              const std::function<void(const Bytes&, size_t)>& visit) {
  Bytes turned = whole;
  for (size_t i = 0; i < turned.size(); i += step) {
    turned[i] ^= static_cast<uint8_t>(1 << bit);
    visit(turned, i);
    turned[i] ^= static_cast<uint8_t>(1 << bit);
  }
}

}  // namespace ephemeralml::verify
