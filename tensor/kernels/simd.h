// simd.h - functions of one number that the compiler can turn into vector code, in a function
// marked STFLOW_CLONES (cpu.h).
//
// exp and log are the Cephes polynomials (Moshier 1992) without branches or table look-ups: a plain
// loop over them is vectorised, and gives the same bits in a vector, in the tail of a loop and on
// any x86 (the project is compiled with -ffp-contract=off, so no fused multiply-add sneaks in). In
// a double build, which exists for checking gradients, the standard library is used instead.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/real.h"

namespace stflow::simd {

constexpr bool kFloat = std::is_same_v<real, float>;
constexpr float kLog2e = 1.44269504f, kLn2 = 0.693147181f;
constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // their sum is ln 2
constexpr float kRoundToInt =
    12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits

struct ReducedExp {
  float q;    // e^r - 1 with |r| <= ln(2)/2
  int32_t k;  // e^x = 2^k (1 + q)
};

inline ReducedExp reduce_exp(float x) {
  const float shifted = x * kLog2e + kRoundToInt;
  const float k = shifted - kRoundToInt;
  const float r = (x - k * kLn2High) - k * kLn2Low;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return {p * (r * r) + r, std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRoundToInt)};
}

inline float power_of_two(int32_t k) {  // -126 <= k <= 127
  return std::bit_cast<float>((k + 127) << 23);
}

inline float exp(float x) {
  const float above = x < -104.0f ? -104.0f : x;
  const float clamped = above > 89.0f ? 89.0f : above;
  const ReducedExp e = reduce_exp(clamped);
  const int32_t half = e.k >> 1;  // two steps: 2^128 and the denormals are out of reach in one
  return (1.0f + e.q) * power_of_two(half) * power_of_two(e.k - half);
}

inline float expm1(float x) {
  const float above = x < -30.0f ? -30.0f : x;
  const float clamped = above > 89.0f ? 89.0f : above;
  const ReducedExp e = reduce_exp(clamped);
  const float half_scale = power_of_two(e.k - 1);
  return 2.0f * (half_scale * e.q + (half_scale - 0.5f));
}

// log of a positive, finite, not denormal number; what else it returns has no meaning.
inline float log_normal(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  // Leaves a mantissa in [sqrt(1/2), sqrt(2)).
  const int32_t exponent = static_cast<int32_t>(bits - 0x3f3504f3) >> 23;
  const float e = static_cast<float>(exponent);
  const float f = std::bit_cast<float>(bits - (static_cast<uint32_t>(exponent) << 23)) - 1.0f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float square = f * f;
  const float small = p * (square * f) + e * kLn2Low - 0.5f * square;
  return (f + small) + e * kLn2High;
}

inline float log(float x) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const bool tiny = x < std::numeric_limits<float>::min();  // denormal: scaled by 2^23
  const float finite = log_normal(tiny ? x * 8388608.0f : x) - (tiny ? 23 * kLn2 : 0.0f);
  const float right = x < kInf ? finite : x;  // +inf and NaN pass through
  const float positive = x == 0.0f ? -kInf : right;
  return x < 0.0f ? std::numeric_limits<float>::quiet_NaN() : positive;
}

// The rounding error of 1 + x, divided by it, is what log(1 + x) misses.
inline float log1p(float x) {
  const float u = 1.0f + x;
  const float missing = (x - (u - 1.0f)) / u;
  const bool regular = u > 0.0f && u < std::numeric_limits<float>::infinity();
  return log(u) + (regular ? missing : 0.0f);
}

// log(1 + e) for 0 <= e <= 1, where log1p's special cases cannot occur (NaN comes out as NaN).
inline float log1p_unit(float e) {
  const float u = 1.0f + e;
  return log_normal(u) + (e - (u - 1.0f)) / u;
}

inline double exp(double x) { return std::exp(x); }
inline double expm1(double x) { return std::expm1(x); }
inline double log(double x) { return std::log(x); }
inline double log1p(double x) { return std::log1p(x); }
inline double log1p_unit(double e) { return std::log1p(e); }

inline real tanh(real x) {
  const real e = expm1(-2 * std::abs(x));
  return std::copysign(-e / (e + 2), x);
}
inline real sigmoid(real x) { return 1 / (1 + exp(-x)); }
inline real logit(real p) { return log(p / (1 - p)); }  // 1 - p is exact from 1/2 on
inline real softplus(real x) { return (x > 0 ? x : real(0)) + log1p_unit(exp(-std::abs(x))); }

}  // namespace stflow::simd
