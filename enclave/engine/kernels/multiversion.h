#pragma once
// The one macro behind which the compiler makes a loop twice, for any x86-64 and for processors
// with AVX2, and the loader chooses. Only GCC takes it on templates; elsewhere, and under
// sanitizers, the loop is compiled once. Results are the same either way: contraction to fused
// operations is off.

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(EPHEMERAL_SANITIZED)
#define EPHEMERAL_MULTIVERSION __attribute__((target_clones("default", "arch=haswell")))
#else
#define EPHEMERAL_MULTIVERSION
#endif
