// Vectors of sixteen numbers, written with the vector extensions that GCC and Clang share, so that
// one source serves every processor. The compiler splits a vector that is wider than the machine's.
//
// All sources are compiled with -ffp-contract=off. Otherwise the compiler would fuse some products
// with sums and not others, and a result would depend on which copy of a loop computed it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define MT_INLINE inline __attribute__((always_inline))

namespace mt {

constexpr int kLanes = 16;
constexpr float kMasked = -1e30f;  // an attention score that softmax turns into 0

typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t Words __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(32), aligned(2), may_alias));
typedef int8_t Bytes __attribute__((vector_size(16), aligned(1), may_alias));

using Bfloat16 = uint16_t;  // the upper half of a float32
using Float16 = uint16_t;   // the bits of an IEEE half

// The widest vectors that the processor has. A kernel that counts its registers uses these.
#if defined(__AVX512F__)
constexpr int kNativeLanes = 16;
#elif defined(__AVX2__)
constexpr int kNativeLanes = 8;
#else
constexpr int kNativeLanes = 4;
#endif
constexpr int kNativeBytes = 4 * kNativeLanes;

typedef float NativeFloats __attribute__((vector_size(kNativeBytes), aligned(4), may_alias));
typedef int32_t NativeInts __attribute__((vector_size(kNativeBytes), aligned(1), may_alias));
typedef uint32_t NativeWords __attribute__((vector_size(kNativeBytes), aligned(1), may_alias));
typedef int16_t NativeShorts __attribute__((vector_size(kNativeBytes), aligned(1), may_alias));
typedef uint16_t NativeDoubleBytes
    __attribute__((vector_size(kNativeBytes), aligned(1), may_alias));
typedef uint16_t NativeHalves __attribute__((vector_size(kNativeBytes / 2), aligned(1), may_alias));

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
constexpr int round_up(int a, int multiple) { return ceil_div(a, multiple) * multiple; }

MT_INLINE Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }

MT_INLINE void store(float* to, Floats x) { *reinterpret_cast<Floats*>(to) = x; }

MT_INLINE Floats load(const Bfloat16* from) {
  const Halves halves = *reinterpret_cast<const Halves*>(from);
  return reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
}

// The native vectors of a vector of sixteen. GCC compares vectors that are wider than the machine's
// one number at a time, so comparisons are written for these. The loops over them have an index:
// g++ 12's sanitizer calls a reference to a part misaligned.
struct Parts {
  NativeFloats at[kLanes / kNativeLanes];
};

MT_INLINE Parts parts_of(Floats x) {
  Parts parts;
  std::memcpy(&parts, &x, sizeof x);
  return parts;
}

MT_INLINE Floats joined(const Parts& parts) {
  Floats x;
  std::memcpy(&x, &parts, sizeof x);
  return x;
}

MT_INLINE Floats broadcast(float x) {
  Parts parts;
#pragma GCC unroll 4
  for (int part = 0; part < kLanes / kNativeLanes; ++part) parts.at[part] = NativeFloats{} + x;
  return joined(parts);
}

// x where a > b, and y elsewhere.
MT_INLINE Floats where_greater(Floats a, Floats b, Floats x, Floats y) {
  const Parts first = parts_of(a), second = parts_of(b), yes = parts_of(x), no = parts_of(y);
  Parts found;
#pragma GCC unroll 4
  for (int part = 0; part < kLanes / kNativeLanes; ++part)
    found.at[part] = first.at[part] > second.at[part] ? yes.at[part] : no.at[part];
  return joined(found);
}

// All bits where x is a NaN, none elsewhere.
MT_INLINE Words nan_mask(Floats x) {
  Parts parts = parts_of(x);
#pragma GCC unroll 4
  for (int part = 0; part < kLanes / kNativeLanes; ++part) {
    const NativeInts is_nan = parts.at[part] != parts.at[part];
    parts.at[part] = reinterpret_cast<NativeFloats>(is_nan);
  }
  return reinterpret_cast<Words>(joined(parts));
}

// The bits of x as bfloat16: rounded to nearest, ties to even, as XLA does. A NaN stays a NaN.
MT_INLINE Words bfloat16_bits(Floats x) {
  const Words bits = reinterpret_cast<Words>(x);
  const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Words quiet_nan = (bits >> 16) | 0x40;
  const Words mask = nan_mask(x);
  return (mask & quiet_nan) | (~mask & rounded);
}

MT_INLINE void store(Bfloat16* to, Floats x) {
  *reinterpret_cast<Halves*>(to) = __builtin_convertvector(bfloat16_bits(x), Halves);
}

MT_INLINE Bfloat16 to_bfloat16(float x) {
  return static_cast<Bfloat16>(bfloat16_bits(broadcast(x))[0]);
}

MT_INLINE float to_float(Bfloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

MT_INLINE float to_float(float x) { return x; }

MT_INLINE float half_to_float(Float16 half) {
  // The exponent is 112 less than that of a float32; the product is exact, also for subnormals.
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fff) << 13;
  float value;
  std::memcpy(&value, &magnitude, sizeof value);
  value *= 0x1p112f;
  return half & 0x8000 ? -value : value;
}

// Rounds to nearest, ties to even; a value out of range becomes the greatest one.
inline Float16 to_half(float x) {
  const float magnitude = __builtin_fminf(__builtin_fabsf(x), 65504.0f);
  uint32_t bits;
  if (magnitude < 0x1p-14f) {  // subnormal: the last bit of 0.5 is that of a subnormal half
    const float shifted = magnitude + 0.5f;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits -= 0x3f000000;
  } else {
    std::memcpy(&bits, &magnitude, sizeof bits);
    bits = (bits + 0xfff + ((bits >> 13) & 1) - (112u << 23)) >> 13;
  }
  return static_cast<Float16>(bits | (x < 0 ? 0x8000 : 0));
}

// The float32 values of halves, none of them infinite.
MT_INLINE NativeFloats load_halves(const void* from) {
#if defined(__AVX512F__)
  return reinterpret_cast<NativeFloats>(
      _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(static_cast<const __m256i*>(from))));
#elif defined(__F16C__) && defined(__AVX2__)
  return reinterpret_cast<NativeFloats>(
      _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(from))));
#else
  const NativeHalves halves = *static_cast<const NativeHalves*>(from);
  const NativeWords bits = __builtin_convertvector(halves, NativeWords);
  const NativeWords magnitudes = (bits & 0x7fff) << 13;
  const NativeFloats values = reinterpret_cast<NativeFloats>(magnitudes) * 0x1p112f;
  return reinterpret_cast<NativeFloats>(reinterpret_cast<NativeWords>(values) | (bits & 0x8000)
                                                                                    << 16);
#endif
}

// a * b + c, rounded once on every processor.
MT_INLINE NativeFloats fused(NativeFloats a, NativeFloats b, NativeFloats c) {
#if defined(__AVX512F__)
  return reinterpret_cast<NativeFloats>(_mm512_fmadd_ps(
      reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(__FMA__) && defined(__AVX2__)
  return reinterpret_cast<NativeFloats>(_mm256_fmadd_ps(
      reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#elif defined(__ARM_NEON) && defined(__aarch64__)
  return reinterpret_cast<NativeFloats>(vfmaq_f32(reinterpret_cast<float32x4_t>(c),
                                                  reinterpret_cast<float32x4_t>(a),
                                                  reinterpret_cast<float32x4_t>(b)));
#else
  for (int lane = 0; lane < kNativeLanes; ++lane)
    c[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
  return c;
#endif
}

// a * b + c, rounded once if the processor has the instruction.
MT_INLINE Floats fma(Floats a, Floats b, Floats c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__AVX512F__)
  const Parts first = parts_of(a), second = parts_of(b);
  Parts sums = parts_of(c);
#pragma GCC unroll 4
  for (int part = 0; part < kLanes / kNativeLanes; ++part)
    sums.at[part] = fused(first.at[part], second.at[part], sums.at[part]);
  return joined(sums);
#else
  return a * b + c;
#endif
}

// a * b + c, rounded once if the processor has the instruction.
MT_INLINE NativeFloats multiply_add(NativeFloats a, NativeFloats b, NativeFloats c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return fused(a, b, c);
#else
  return a * b + c;
#endif
}

// The most native vectors in a row of a tile of R rows whose sums fit the registers, of which
// AVX-512 and NEON have 32 and AVX2 and SSE have 16.
template <int R>
constexpr int tile_vectors() {
#if defined(__AVX512F__)
  return 4;
#elif defined(__AVX2__)
  return R == 1 ? 8 : R == 2 ? 4 : 2;
#elif defined(__aarch64__)
  return R <= 2 ? 8 : 4;
#else
  return R == 1 ? 4 : 2;
#endif
}

MT_INLINE Floats fma(Floats a, float b, Floats c) { return fma(a, broadcast(b), c); }

MT_INLINE Floats max(Floats a, Floats b) { return where_greater(a, b, a, b); }

MT_INLINE Floats min(Floats a, Floats b) { return where_greater(b, a, a, b); }

MT_INLINE Floats abs(Floats x) {
  return reinterpret_cast<Floats>(reinterpret_cast<Words>(x) & 0x7fffffffu);
}

typedef float Eight __attribute__((vector_size(32), aligned(4), may_alias));
typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

// `join` of the halves of a vector, of the halves of that, and so on: one order on every processor,
// so equal inputs give equal bits.
template <class Join>
MT_INLINE float reduce(Floats x, Join join) {
  Eight eights[2];
  std::memcpy(eights, &x, sizeof x);
  const Eight eight = join(eights[0], eights[1]);
  Four fours[2];
  std::memcpy(fours, &eight, sizeof eight);
  const Four four = join(fours[0], fours[1]);
  float lanes[4];
  std::memcpy(lanes, &four, sizeof four);
  return join(join(lanes[0], lanes[2]), join(lanes[1], lanes[3]));
}

MT_INLINE float reduce_sum(Floats x) {
  return reduce(x, [](auto a, auto b) { return a + b; });
}

MT_INLINE float reduce_max(Floats x) {
  return reduce(x, [](auto a, auto b) { return a > b ? a : b; });
}

// Stores sixteen integers from -128 to 127 as bytes.
MT_INLINE void store_bytes(int8_t* to, Ints x) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  __m256i halves[2];
  std::memcpy(halves, &x, sizeof x);
  const __m256i shorts =
      _mm256_permute4x64_epi64(_mm256_packs_epi32(halves[0], halves[1]), _MM_SHUFFLE(3, 1, 2, 0));
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
  std::memcpy(to, &bytes, sizeof bytes);
#else
  *reinterpret_cast<Bytes*>(to) = __builtin_convertvector(x, Bytes);
#endif
}

// Rounds to the nearest integer, for |x| < 2^22.
MT_INLINE Floats round_to_nearest(Floats x) {
  constexpr float kMagic = 12582912.0f;  // adding it leaves no bits for a fraction
  return (x + kMagic) - kMagic;
}

// e^x to about one unit in the last place, with the polynomial of Cephes' expf.
MT_INLINE Floats exp(Floats x) {
  x = min(max(x, broadcast(-87.3f)), broadcast(88.3f));
  const Floats n = round_to_nearest(x * 1.44269504088896341f);
  const Floats r = fma(n, 2.12194440e-4f, fma(n, -0.693359375f, x));
  Floats y = broadcast(1.9875691500e-4f);
  y = fma(y, r, broadcast(1.3981999507e-3f));
  y = fma(y, r, broadcast(8.3334519073e-3f));
  y = fma(y, r, broadcast(4.1665795894e-2f));
  y = fma(y, r, broadcast(1.6666665459e-1f));
  y = fma(y, r, broadcast(5.0000001201e-1f));
  y = fma(y, r * r, r + 1.0f);
  const Ints power_of_two = (__builtin_convertvector(n, Ints) + 127) << 23;
  return y * reinterpret_cast<Floats>(power_of_two);
}

// x * sigmoid(x).
MT_INLINE Floats silu(Floats x) { return x / (exp(-x) + 1.0f); }

// GELU in its tanh form: 0.5 x (1 + tanh(u)) equals x sigmoid(2 u).
MT_INLINE Floats gelu(Floats x) {
  const Floats u = (x + x * x * x * 0.044715f) * 0.7978845608028654f;
  return x / (exp(u * -2.0f) + 1.0f);
}

// Calls body(n) with n as a compile-time constant, for n in [1, Max]. Kernels need their tile sizes
// at compile time, because that is how many registers they use.
template <int N>
struct Constant {
  static constexpr int value = N;
};

template <int Max, class Body>
MT_INLINE void with_constant(int n, Body&& body) {
  if constexpr (Max == 1) {
    body(Constant<1>{});
  } else {
    if (n >= Max)
      body(Constant<Max>{});
    else
      with_constant<Max - 1>(n, body);
  }
}

}  // namespace mt
