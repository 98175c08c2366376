// Linkage of code that kernel files share. Each kernel file is compiled for another instruction
// set, so nothing in them may be a weak symbol: the linker could pick the AVX-512 body for a CPU
// without it. Hence always_inline, internal linkage, and no STL.
#pragma once

#define QPKV_INLINE static inline __attribute__((always_inline))
#define QPKV_RESTRICT __restrict__
