// cpu.h - which vector instructions the processor has, and how a kernel is made for them.
//
// Three ways, the plainest first. STFLOW_CLONES asks the compiler for copies of a function with
// plain loops. A kernel that keeps numbers in registers by hand is a template over Narrow and Wide,
// made twice (subset_sums.cpp, transpose.cpp). The matrix product and a search name their
// instructions, for floats alone (gemm_tiles.cpp, subset_sums.cpp). None uses AVX-512 when
// compiled with -DSTFLOW_NO_AVX512: a processor can stand in for one without it.
#pragma once

#include <type_traits>

#include "stflow/tensor/real.h"

// Compiles a function for AVX-512, AVX2 and the baseline; the loader picks one. Sanitizers cannot
// follow such functions, and other platforms have no need of them.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#ifdef STFLOW_NO_AVX512
#define STFLOW_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define STFLOW_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#else
#define STFLOW_CLONES
#endif

namespace stflow {

// Eight or sixteen numbers: as floats, a register of AVX2 or of AVX-512. The compiler keeps a Vec
// in a register, which it does not do with an array; but its code is slow where a Vec is wider than
// the registers it may use. So STFLOW_AVX512 marks the copy of a kernel for Wide, to be called
// where has_avx512(), and STFLOW_CLONES the one for Narrow, which runs everywhere.
struct Narrow {
  using Vec =
      real __attribute__((vector_size(8 * sizeof(real)), aligned(alignof(real)), may_alias));
};
struct Wide {
  using Vec =
      real __attribute__((vector_size(16 * sizeof(real)), aligned(alignof(real)), may_alias));
};

#if defined(__x86_64__) && defined(__GNUC__)
#define STFLOW_HAS_INTRINSICS 1
#define STFLOW_AVX512 __attribute__((target("avx512f")))
#define STFLOW_AVX2 __attribute__((target("avx2,fma")))
/// May functions for floats that are marked STFLOW_AVX512 be called here?
#ifdef STFLOW_NO_AVX512
constexpr bool has_avx512() { return false; }
#else
inline bool has_avx512() {
  static const bool has = std::is_same_v<real, float> && __builtin_cpu_supports("avx512f");
  return has;
}
#endif
/// The same for STFLOW_AVX2.
inline bool has_avx2() {
  static const bool has = std::is_same_v<real, float> && __builtin_cpu_supports("avx2") &&
                          __builtin_cpu_supports("fma");
  return has;
}
/// Does the processor multiply sixteen floats at a time in two halves? AMD's of 2022 (Zen 4) do:
/// products take twice as long there, sums and look-ups do not.
inline bool halves_avx512() {
  static const bool halves = has_avx512() && __builtin_cpu_is("amdfam19h");
  return halves;
}
#else
#define STFLOW_HAS_INTRINSICS 0
#define STFLOW_AVX512
#define STFLOW_AVX2
constexpr bool has_avx512() { return false; }
constexpr bool has_avx2() { return false; }
constexpr bool halves_avx512() { return false; }
#endif

}  // namespace stflow
