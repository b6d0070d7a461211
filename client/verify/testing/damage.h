#pragma once
// What can happen to a document on its way: bits turned, pieces cut, doubled, moved or exchanged.

#include <functional>
#include <random>

#include "common/base/bytes.h"

namespace ephemeralml::verify {

/// `whole` with something of it cut off, cut out, doubled, moved or overwritten by a piece of
/// `other`; never `whole` itself.
Bytes Damage(const Bytes& whole, const Bytes& other, std::mt19937_64& random);

/// Turns bit `bit` (0 to 7) of every `step`th byte, one at a time; calls `visit` with each result
/// and the byte's place.
void TurnBits(const Bytes& whole, int bit, size_t step,
              const std::function<void(const Bytes&, size_t)>& visit);

}  // namespace ephemeralml::verify
