#pragma once
// Types that few kernels are compiled for are lent to them as others: 16-bit floats as floats,
// which round once at the end, and strings as their ranks among the node's strings, so that
// operators that move elements, sort them or compare them for equality take them all.

#include "enclave/engine/base/node_context.h"

namespace ephemeralml::engine {

/// Runs the kernel of an operator of that name; if it doesn't take a type of its inputs, once more
/// with inputs as said above. Errors: the kernel's own.
Done RunAdapted(std::string_view op, const Kernel& kernel, NodeContext& context);

}  // namespace ephemeralml::engine
