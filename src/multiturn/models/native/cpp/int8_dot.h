// The products of one group of 32 inputs in integers: the only part of the int8 kernels that knows
// instruction sets. All of them compute the same exact integers.
//
// | macro of the compiler                  | instructions                    | variants          |
// |----------------------------------------|---------------------------------|-------------------|
// | __AVX512VNNI__                         | dpbusd, 512 bits                | avx512-vnni, amx  |
// | __AVXVNNI__                            | dpbusd, 256 bits                | avx-vnni          |
// | __AVX512BW__ or __AVX2__               | maddubs (codes up to 31), madd  | avx512, avx2      |
// | __SSE2__                               | madd                            | portable          |
// | __ARM_FEATURE_MATMUL_INT8              | usdot                           | neon-i8mm         |
// | __ARM_FEATURE_DOTPROD                  | sdot                            | neon-dotprod      |
// | none of them                           | plain vectors                   | portable          |
#pragma once

#include "packing.h"

namespace mt {

// How the codes of a group are stored, and how great they are. Products of small codes can be
// added in 16 bits, several steps of them, before they are widened.
enum class Codes { kNibbles, kUpTo15, kUpTo31, kUpTo255 };

constexpr int kPanelNativeVectors = kPanel / kNativeLanes;

// The activations of some rows in one group.
struct GroupRows {
  const int8_t* bytes;
  size_t byte_stride;

  GroupRows(const PackedActivations& all, int row, int group)
      : bytes(reinterpret_cast<const int8_t*>(all.row(row)) + group * kGroup),
        byte_stride(all.row_words() * kWordBytes) {}
};

// The four activations of step `step` in every lane.
MT_INLINE NativeInts broadcast_word(const void* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof word);
  return NativeInts{} + word;
}
MT_INLINE NativeInts broadcast_step(const GroupRows& rows, int r, int step) {
  return broadcast_word(rows.bytes + r * rows.byte_stride + step * kWordBytes);
}

// The codes of native vector v of steps 2 * pair and 2 * pair + 1.
template <Codes C>
MT_INLINE void load_codes(const uint8_t* codes, int pair, int v, NativeInts& even,
                          NativeInts& odd) {
  if constexpr (C == Codes::kNibbles) {
    const auto both =
        *reinterpret_cast<const NativeWords*>(codes + pair * kStepBytes + v * kNativeBytes);
    even = reinterpret_cast<NativeInts>(both & 0x0f0f0f0f);
    odd = reinterpret_cast<NativeInts>((both >> 4) & 0x0f0f0f0f);
  } else {
    const uint8_t* from = codes + 2 * pair * kStepBytes + v * kNativeBytes;
    even = *reinterpret_cast<const NativeInts*>(from);
    odd = *reinterpret_cast<const NativeInts*>(from + kStepBytes);
  }
}

#if defined(__AVX512VNNI__) || (defined(__AVXVNNI__) && !defined(__AVX512F__)) || \
    defined(__ARM_FEATURE_DOTPROD) || defined(__ARM_FEATURE_MATMUL_INT8)
#define MT_DOT_WORDS 1
#elif defined(__AVX512BW__) || defined(__AVX2__)
#define MT_MADDUBS 1
#elif defined(__SSE2__)
#define MT_MADD 1
#endif

// What is subtracted from a code before it is multiplied: sdot, and what maddubs does with codes of
// 8 bits, take numbers with a sign.
template <Codes C>
constexpr int code_offset() {
#if defined(MT_DOT_WORDS) && defined(__ARM_NEON) && !defined(__ARM_FEATURE_MATMUL_INT8)
  return 128;
#elif defined(MT_MADDUBS)
  return C == Codes::kUpTo255 ? 128 : 0;
#else
  return 0;
#endif
}

#if defined(MT_DOT_WORDS)

// sums + the products of four codes with four activations in each lane.
MT_INLINE NativeInts dot_words(NativeInts sums, NativeInts codes, NativeInts activations) {
#if defined(__AVX512VNNI__)
  return reinterpret_cast<NativeInts>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sums),
                                                          reinterpret_cast<__m512i>(codes),
                                                          reinterpret_cast<__m512i>(activations)));
#elif defined(__AVXVNNI__)
  return reinterpret_cast<NativeInts>(
      _mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(sums), reinterpret_cast<__m256i>(codes),
                              reinterpret_cast<__m256i>(activations)));
#elif defined(__ARM_FEATURE_MATMUL_INT8)
  return reinterpret_cast<NativeInts>(vusdotq_s32(reinterpret_cast<int32x4_t>(sums),
                                                  reinterpret_cast<uint8x16_t>(codes),
                                                  reinterpret_cast<int8x16_t>(activations)));
#else
  return reinterpret_cast<NativeInts>(
      vdotq_s32(reinterpret_cast<int32x4_t>(sums),
                reinterpret_cast<int8x16_t>(codes ^ static_cast<int32_t>(0x80808080)),
                reinterpret_cast<int8x16_t>(activations)));
#endif
}

// sums[r][v] += the products of a group of row r with native vector v of `codes`.
template <Codes C, int R, int V>
MT_INLINE void add_group(NativeInts (&sums)[R][V], const GroupRows& rows, const uint8_t* codes) {
#pragma GCC unroll 4
  for (int pair = 0; pair < kGroupSteps / 2; ++pair) {
    NativeInts even[V], odd[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) load_codes<C>(codes, pair, v, even[v], odd[v]);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const NativeInts x = broadcast_step(rows, r, 2 * pair);
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) sums[r][v] = dot_words(sums[r][v], even[v], x);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const NativeInts x = broadcast_step(rows, r, 2 * pair + 1);
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) sums[r][v] = dot_words(sums[r][v], odd[v], x);
    }
  }
}

#elif defined(MT_MADDUBS)

#if defined(__AVX512BW__)
using Intrinsic = __m512i;
#define MT_INTRINSIC(name) _mm512_##name
#else
using Intrinsic = __m256i;
#define MT_INTRINSIC(name) _mm256_##name
#endif

// Adds the products of neighbouring bytes, codes without a sign and activations with one.
MT_INLINE NativeShorts maddubs(NativeInts codes, NativeInts activations) {
  return reinterpret_cast<NativeShorts>(MT_INTRINSIC(maddubs_epi16)(
      reinterpret_cast<Intrinsic>(codes), reinterpret_cast<Intrinsic>(activations)));
}

// Adds neighbours in 32 bits.
MT_INLINE NativeInts widen(NativeShorts x) {
  return reinterpret_cast<NativeInts>(
      MT_INTRINSIC(madd_epi16)(reinterpret_cast<Intrinsic>(x), MT_INTRINSIC(set1_epi16)(1)));
}

// Numbers of 8 bits with a sign, as maddubs can multiply them: their magnitudes, and activations
// that are negated where they are negative. 2 * 128 * 127 = 32,512 fits 16 bits, once.
struct SignedCodes {
  Intrinsic numbers, magnitudes;

  explicit MT_INLINE SignedCodes(NativeInts codes)
      : numbers(MT_INTRINSIC(sub_epi8)(reinterpret_cast<Intrinsic>(codes),
                                       MT_INTRINSIC(set1_epi8)(-128))),
        magnitudes(MT_INTRINSIC(abs_epi8)(numbers)) {}

  MT_INLINE NativeInts products(NativeInts activations) const {
    const auto x = reinterpret_cast<Intrinsic>(activations);
#if defined(__AVX512BW__)
    const Intrinsic signed_x =
        _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(numbers), _mm512_setzero_si512(), x);
#else
    const Intrinsic signed_x = _mm256_sign_epi8(x, numbers);
#endif
    return widen(
        maddubs(reinterpret_cast<NativeInts>(magnitudes), reinterpret_cast<NativeInts>(signed_x)));
  }
};
#undef MT_INTRINSIC

template <int R, int V>
MT_INLINE void add_narrow(NativeShorts (&sums)[R][V], const GroupRows& rows, int step,
                          const NativeInts (&codes)[V]) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const NativeInts x = broadcast_step(rows, r, step);
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) sums[r][v] += maddubs(codes[v], x);
  }
}

// How many steps of codes up to 15 or 31 and activations up to 127 fit 16 bits:
// 8 * 2 * 15 * 127 = 30,480 and 4 * 2 * 31 * 127 = 31,496.
template <Codes C>
constexpr int kNarrowSteps = C == Codes::kUpTo31 ? 4 : 8;

template <Codes C, int R, int V>
MT_INLINE void add_group(NativeInts (&sums)[R][V], const GroupRows& rows, const uint8_t* codes) {
  if constexpr (C == Codes::kUpTo255) {
#pragma GCC unroll 8
    for (int step = 0; step < kGroupSteps; ++step) {
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) {
        const SignedCodes here(
            *reinterpret_cast<const NativeInts*>(codes + step * kStepBytes + v * kNativeBytes));
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) sums[r][v] += here.products(broadcast_step(rows, r, step));
      }
    }
  } else {
#pragma GCC unroll 2
    for (int begin = 0; begin < kGroupSteps; begin += kNarrowSteps<C>) {
      NativeShorts narrow[R][V] = {};
#pragma GCC unroll 4
      for (int pair = begin / 2; pair < (begin + kNarrowSteps<C>) / 2; ++pair) {
        NativeInts even[V], odd[V];
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) load_codes<C>(codes, pair, v, even[v], odd[v]);
        add_narrow(narrow, rows, 2 * pair, even);
        add_narrow(narrow, rows, 2 * pair + 1, odd);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sums[r][v] += widen(narrow[r][v]);
    }
  }
}

#elif defined(MT_MADD)

MT_INLINE NativeInts madd(NativeShorts a, NativeShorts b) {
  return reinterpret_cast<NativeInts>(
      _mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
}

// Bytes 0 and 2 of each word, then bytes 1 and 3, are multiplied in 16 bits.
template <Codes C, int R, int V>
MT_INLINE void add_group(NativeInts (&sums)[R][V], const GroupRows& rows, const uint8_t* codes) {
  for (int pair = 0; pair < kGroupSteps / 2; ++pair)
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      NativeInts words[2];
      load_codes<C>(codes, pair, v, words[0], words[1]);
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const auto even = reinterpret_cast<NativeShorts>(words[i] & 0x00ff00ff);
        const auto odd =
            reinterpret_cast<NativeShorts>(reinterpret_cast<NativeDoubleBytes>(words[i]) >> 8);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
          const auto x = reinterpret_cast<NativeShorts>(broadcast_step(rows, r, 2 * pair + i));
          sums[r][v] += madd(even, (x << 8) >> 8) + madd(odd, x >> 8);
        }
      }
    }
}

#else

template <Codes C, int R, int V>
MT_INLINE void add_group(NativeInts (&sums)[R][V], const GroupRows& rows, const uint8_t* codes) {
  for (int pair = 0; pair < kGroupSteps / 2; ++pair)
    for (int v = 0; v < V; ++v) {
      NativeInts words[2];
      load_codes<C>(codes, pair, v, words[0], words[1]);
      for (int i = 0; i < 2; ++i)
        for (int r = 0; r < R; ++r) {
          const int8_t* x = rows.bytes + r * rows.byte_stride + (2 * pair + i) * kWordBytes;
          for (int byte = 0; byte < kWordBytes; ++byte)
            sums[r][v] += ((words[i] >> (8 * byte)) & 255) * static_cast<int32_t>(x[byte]);
        }
    }
}

#endif

}  // namespace mt
