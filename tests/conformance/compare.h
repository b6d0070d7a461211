#pragma once
// Equality as ONNX's own backend runner judges it, but exact where elements are exact.

#include <string>

#include "tests/conformance/case_files.h"

namespace ephemeralml::conformance {

/// Empty if `given` is what was expected, else what differs. Floats agree within 1e-7 plus a
/// thousandth of the expected element; all else must be equal.
/// Source: ONNX, onnx/backend/test/runner, assert_similar_outputs.
std::string Difference(const Value& expected, const Value& given);

}  // namespace ephemeralml::conformance
