// Which vector units Highway compiles for, beside the compiler's own target. No include guard is
// needed: it defines one macro, the same each time. Include it before Highway.

// AVX3 is Highway's name for AVX-512; what lies between it and the others adds nothing to products
// of floats but code.
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#endif

// Loops over registers must vanish, or there are no registers.
#if defined(__clang__)
#define EPHEMERAL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define EPHEMERAL_UNROLL _Pragma("GCC unroll 16")
#endif
