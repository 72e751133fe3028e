// The products of a few rows with one panel of a matrix.
//
// An element of the result is one chain of sums over the inputs, in their order, whatever the
// other rows are and however many: that is why a text does not depend on its neighbours.
#pragma once

#include "matrix.h"

namespace mt {

constexpr int kTile = 6;            // rows whose sums are held in registers at once
constexpr int kBlockSteps = 512;    // steps of a panel that stay in the cache for all rows

template <Precision P>
struct Arithmetic;

template <>
struct Arithmetic<Precision::kFloat32> {
  using Sums = Floats;
  static MT_INLINE Sums add(Sums sums, const uint8_t* row, const uint8_t* weights) {
    float x;
    std::memcpy(&x, row, 4);
    return fused(load(reinterpret_cast<const float*>(weights)), x, sums);
  }
};

template <>
struct Arithmetic<Precision::kBfloat16> {
  using Sums = Floats;
  static MT_INLINE Sums add(Sums sums, const uint8_t* row, const uint8_t* weights) {
    int32_t x;
    std::memcpy(&x, row, 4);
#if defined(__AVX512BF16__)
    return reinterpret_cast<Floats>(
        _mm512_dpbf16_ps(reinterpret_cast<__m512>(sums),
                         reinterpret_cast<__m512bh>(_mm512_set1_epi32(x)),
                         reinterpret_cast<__m512bh>(_mm512_loadu_si512(weights))));
#else
    const Words pairs = *reinterpret_cast<const Words*>(weights);
    const uint32_t bits = static_cast<uint32_t>(x);
    const float first = to_float(static_cast<Bfloat16>(bits & 0xffff));
    const float second = to_float(static_cast<Bfloat16>(bits >> 16));
    sums = fused(reinterpret_cast<Floats>(pairs << 16), first, sums);
    return fused(reinterpret_cast<Floats>(pairs & 0xffff0000u), second, sums);
#endif
  }
};

template <>
struct Arithmetic<Precision::kInt8> {
  using Sums = Ints;
  static MT_INLINE Sums add(Sums sums, const uint8_t* row, const uint8_t* weights) {
    int32_t x;
    std::memcpy(&x, row, 4);
#if defined(__AVX512VNNI__)
    return reinterpret_cast<Ints>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sums),
                                                      _mm512_set1_epi32(x),
                                                      _mm512_loadu_si512(weights)));
#else
    const Ints four = *reinterpret_cast<const Ints*>(weights);
    const uint32_t bits = static_cast<uint32_t>(x);
    sums += static_cast<int32_t>(bits & 0xff) * ((four << 24) >> 24);
    sums += static_cast<int32_t>((bits >> 8) & 0xff) * ((four << 16) >> 24);
    sums += static_cast<int32_t>((bits >> 16) & 0xff) * ((four << 8) >> 24);
    return sums + static_cast<int32_t>(bits >> 24) * (four >> 24);
#endif
  }
};

// R rows, the steps [begin, end) of one panel; `out` has 64 sums a row, added to if not `first`.
template <Precision P, int R>
inline void tile(const Rows& rows, int row, const Matrix& matrix, int panel, int begin, int end,
                 bool first, float* out) {
  using Sums = typename Arithmetic<P>::Sums;
  const uint8_t* from[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) from[r] = rows.row(row + r);
  const uint8_t* weights = matrix.panel(panel);
  if constexpr (P != Precision::kInt8) {
    Sums sums[R][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        sums[r][v] = first ? Sums{} : load(out + r * kPanel + v * kLanes);
    for (int step = begin; step < end; ++step)
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v)
          sums[r][v] = Arithmetic<P>::add(
              sums[r][v], from[r] + step * kStepBytes,
              weights + (static_cast<size_t>(step) * kPanel + v * kLanes) * kStepBytes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) store(out + r * kPanel + v * kLanes, sums[r][v]);
  } else {
    for (int start = begin; start < end; start += kStepsOfGroup) {
      const int group = start / kStepsOfGroup;
      const int stop = start + kStepsOfGroup < end ? start + kStepsOfGroup : end;
      const int32_t* offsets = matrix.offsets(panel) + group * kPanel;
      const float* units = matrix.scales(panel) + group * kPanel;
      Sums sums[R][kVectors];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v)
          sums[r][v] = *reinterpret_cast<const Ints*>(offsets + v * kLanes);
      for (int step = start; step < stop; ++step)
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
          for (int v = 0; v < kVectors; ++v)
            sums[r][v] = Arithmetic<P>::add(
                sums[r][v], from[r] + step * kStepBytes,
                weights + (static_cast<size_t>(step) * kPanel + v * kLanes) * kStepBytes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float unit = rows.scales(row + r)[group];
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) {
          float* to = out + r * kPanel + v * kLanes;
          const Floats before = first && start == begin ? Floats{} : load(to);
          store(to, fused(__builtin_convertvector(sums[r][v], Floats),
                          load(units + v * kLanes) * unit, before));
        }
      }
    }
  }
}

template <Precision P>
inline void panel_product(const Rows& rows, int count, const Matrix& matrix, int panel,
                          float* out) {
  for (int begin = 0; begin < matrix.steps; begin += kBlockSteps) {
    const int end = std::min(matrix.steps, begin + kBlockSteps);
    const bool first = begin == 0;
    // The rows are cut as evenly as may be, so that no tile is left with one.
    const int tiles = divide_up(count, kTile);
    for (int index = 0, row = 0; index < tiles; ++index) {
      const int here = (count - row + tiles - index - 1) / (tiles - index);
      float* to = out + static_cast<size_t>(row) * kPanel;
      switch (here) {
        case 1: tile<P, 1>(rows, row, matrix, panel, begin, end, first, to); break;
        case 2: tile<P, 2>(rows, row, matrix, panel, begin, end, first, to); break;
        case 3: tile<P, 3>(rows, row, matrix, panel, begin, end, first, to); break;
        case 4: tile<P, 4>(rows, row, matrix, panel, begin, end, first, to); break;
        case 5: tile<P, 5>(rows, row, matrix, panel, begin, end, first, to); break;
        default: tile<P, 6>(rows, row, matrix, panel, begin, end, first, to); break;
      }
      row += here;
    }
  }
}

// out[r][0..63]: the first `count` rows times one panel. `out` has 64 numbers for each row.
inline void panel_product(const Rows& rows, int count, const Matrix& matrix, int panel,
                          float* out) {
  switch (matrix.precision) {
    case Precision::kFloat32:
      return panel_product<Precision::kFloat32>(rows, count, matrix, panel, out);
    case Precision::kBfloat16:
      return panel_product<Precision::kBfloat16>(rows, count, matrix, panel, out);
    case Precision::kInt8:
      return panel_product<Precision::kInt8>(rows, count, matrix, panel, out);
  }
}

}  // namespace mt
