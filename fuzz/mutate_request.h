#pragma once
// Changes of a request that leave it a request: an attribute's number, a shape with the elements
// that it needs, a type, an operand, an operator. What a fuzzer makes of bytes alone hardly ever
// gets past the first check.

#include "common/wire/session.pb.h"
#include "fuzz/byte_source.h"

namespace ephemeralml::fuzz {

/// Makes one change.
void MutateRequest(ByteSource& source, wire::Request& request);

}  // namespace ephemeralml::fuzz
