// Sixteen numbers at a time, by the vector extensions that GCC and Clang share: one source
// for every processor. Where a machine has narrower vectors the compiler splits them.
//
// The compiler is told not to fuse products and sums by itself (-ffp-contract=off), since it
// would do so here and there, and a number would depend on which copy of a loop made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define MT_INLINE inline __attribute__((always_inline))

namespace mt {

constexpr int kLanes = 16;

typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t Words __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(32), aligned(2), may_alias));
typedef int8_t Bytes __attribute__((vector_size(16), aligned(1), may_alias));

using Bfloat16 = uint16_t;  // the upper half of a float32

MT_INLINE Floats splat(float x) { return Floats{} + x; }

MT_INLINE Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }

MT_INLINE void store(float* to, Floats x) { *reinterpret_cast<Floats*>(to) = x; }

MT_INLINE Floats load(const Bfloat16* from) {
  const Halves halves = *reinterpret_cast<const Halves*>(from);
  return reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
}

// Rounds to the nearest, ties to even, as XLA does; a NaN stays one.
MT_INLINE Words rounded(Floats x) {
  const Words bits = reinterpret_cast<Words>(x);
  const Words near = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Words quiet = (bits >> 16) | 0x40;
  const Ints is_nan = x != x;
  const Words nan = reinterpret_cast<Words>(is_nan);
  return (nan & quiet) | (~nan & near);
}

MT_INLINE void store(Bfloat16* to, Floats x) {
  *reinterpret_cast<Halves*>(to) = __builtin_convertvector(rounded(x), Halves);
}

MT_INLINE Bfloat16 to_bfloat16(float x) { return static_cast<Bfloat16>(rounded(splat(x))[0]); }

MT_INLINE float to_float(Bfloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

MT_INLINE float to_float(float x) { return x; }

// a * b + c, rounded once where the processor can.
MT_INLINE Floats fused(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
  return reinterpret_cast<Floats>(_mm512_fmadd_ps(reinterpret_cast<__m512>(a),
                                                  reinterpret_cast<__m512>(b),
                                                  reinterpret_cast<__m512>(c)));
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  for (int lane = 0; lane < kLanes; ++lane) c[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
  return c;
#else
  return a * b + c;
#endif
}

MT_INLINE Floats fused(Floats a, float b, Floats c) { return fused(a, splat(b), c); }

MT_INLINE Floats larger(Floats a, Floats b) { return a > b ? a : b; }

MT_INLINE Floats smaller(Floats a, Floats b) { return a < b ? a : b; }

MT_INLINE Floats magnitude(Floats x) {
  return reinterpret_cast<Floats>(reinterpret_cast<Words>(x) & 0x7fffffffu);
}

// The sums and the maximum of lanes are taken in one fixed order, so that they are the same
// bits on every call.
MT_INLINE float sum(Floats x) {
  float total = 0;
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) x[lane] += x[lane + half];
  total = x[0];
  return total;
}

MT_INLINE float maximum(Floats x) {
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane)
      x[lane] = x[lane] > x[lane + half] ? x[lane] : x[lane + half];
  return x[0];
}

// To the nearest whole number, for |x| < 2^22.
MT_INLINE Floats nearest(Floats x) {
  const Floats magic = splat(12582912.0f);
  Floats shifted = x + magic;
  asm volatile("" : "+m"(shifted));  // keeps a compiler from cancelling the two sums
  return shifted - magic;
}

// e^x to about one unit in the last place (the polynomial of Cephes' expf).
MT_INLINE Floats exponential(Floats x) {
  x = smaller(larger(x, splat(-87.3f)), splat(88.3f));
  const Floats n = nearest(x * 1.44269504088896341f);
  const Floats r = fused(n, 2.12194440e-4f, fused(n, -0.693359375f, x));
  Floats y = splat(1.9875691500e-4f);
  y = fused(y, r, splat(1.3981999507e-3f));
  y = fused(y, r, splat(8.3334519073e-3f));
  y = fused(y, r, splat(4.1665795894e-2f));
  y = fused(y, r, splat(1.6666665459e-1f));
  y = fused(y, r, splat(5.0000001201e-1f));
  y = fused(y, r * r, r + 1.0f);
  const Ints power = (__builtin_convertvector(n, Ints) + 127) << 23;
  return y * reinterpret_cast<Floats>(power);
}

// x * sigmoid(x).
MT_INLINE Floats silu(Floats x) { return x / (exponential(-x) + 1.0f); }

// The tanh form of GELU: 0.5 x (1 + tanh(u)) is x sigmoid(2 u).
MT_INLINE Floats gelu(Floats x) {
  const Floats u = (x + x * x * x * 0.044715f) * 0.7978845608028654f;
  return x / (exponential(u * -2.0f) + 1.0f);
}

}  // namespace mt
