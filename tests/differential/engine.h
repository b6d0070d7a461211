#pragma once
// Our side: a model is decomposed, its weights are sealed and opened again, and the engine runs it.

#include <span>

#include "tests/differential/tensors.h"

namespace ephemeralml::differential {

Outcome RunOurs(ByteSpan model, std::span<const NamedTensor> inputs, bool with_preparation);

}  // namespace ephemeralml::differential
