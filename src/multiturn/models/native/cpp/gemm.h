// The matrix product: microkernels that keep their sums in registers, and the product of a few
// rows of activations with one panel of weights.
//
// Each element of a result is one chain of sums over the inputs in their order, however many rows
// there are. That is why a token's numbers do not depend on the rows that are computed with it.
#pragma once

#include "int8_gemm.h"
#include "packing.h"

namespace mt {

constexpr int kMaxTileRows = 6;
constexpr int kBlockSteps = 512;  // steps of a panel that stay in the cache for all rows

// sums + the product of one word of activations, in every lane, with the words of some outputs.
template <Precision P>
MT_INLINE NativeFloats add_word(NativeFloats sums, NativeInts activations, NativeInts weights) {
  if constexpr (P == Precision::kFloat32)
    return multiply_add(reinterpret_cast<NativeFloats>(weights),
                        reinterpret_cast<NativeFloats>(activations), sums);
#if defined(__AVX512BF16__)
  return reinterpret_cast<NativeFloats>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sums),
                                                         reinterpret_cast<__m512bh>(activations),
                                                         reinterpret_cast<__m512bh>(weights)));
#else
  const auto upper = [](NativeInts x) { return reinterpret_cast<NativeFloats>(x & ~0xffff); };
  sums = multiply_add(reinterpret_cast<NativeFloats>(weights << 16),
                      reinterpret_cast<NativeFloats>(activations << 16), sums);
  return multiply_add(upper(weights), upper(activations), sums);
#endif
}

// The words of some rows: word `step` of row r is words[r * row_stride + step * step_stride].
struct RowWords {
  const uint32_t* words;
  size_t row_stride, step_stride;

  RowWords from(int row, int step) const {
    return {words + row * row_stride + step * step_stride, row_stride, step_stride};
  }
};

// The words of some columns: those of one step are next to each other.
struct ColumnWords {
  const uint32_t* words;
  size_t step_stride;

  ColumnWords from(int step) const { return {words + step * step_stride, step_stride}; }
};

// A tile of a result, and whether sums are added to it or replace it.
struct Tile {
  float* data;
  size_t row_stride;
  bool accumulate;
};

// R rows times N native vectors of columns.
template <Precision P, int R, int N>
MT_INLINE void native_tile(int steps, RowWords a, const uint32_t* columns, size_t step_stride,
                           Tile out) {
  NativeFloats sums[R][N];
  const uint32_t* rows[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    rows[r] = a.words + r * a.row_stride;
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n)
      sums[r][n] = out.accumulate ? *reinterpret_cast<const NativeFloats*>(
                                        out.data + r * out.row_stride + n * kNativeLanes)
                                  : NativeFloats{};
  }
  for (int step = 0; step < steps; ++step) {
    NativeInts weights[N];
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n)
      weights[n] =
          *reinterpret_cast<const NativeInts*>(columns + step * step_stride + n * kNativeLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const NativeInts x = broadcast_word(rows[r] + step * a.step_stride);
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) sums[r][n] = add_word<P>(sums[r][n], x, weights[n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int n = 0; n < N; ++n) {
      NativeFloats* to =
          reinterpret_cast<NativeFloats*>(out.data + r * out.row_stride + n * kNativeLanes);
      *to = sums[r][n];
    }
}

// The microkernel of float32 and bfloat16: R rows times V vectors of columns, as many at a time as
// fit the registers.
template <Precision P, int R, int V>
MT_INLINE void microkernel(int steps, RowWords a, ColumnWords b, Tile out) {
  constexpr int kVectors = V * kLanes / kNativeLanes;
  constexpr int N = std::min(kVectors, tile_vectors<R>());
  static_assert(kVectors % N == 0);
  for (int n = 0; n < kVectors; n += N)
    native_tile<P, R, N>(steps, a, b.words + n * kNativeLanes, b.step_stride,
                         Tile{out.data + n * kNativeLanes, out.row_stride, out.accumulate});
}

// R rows of activations, from `row` on, times the steps [begin, end) of one panel.
template <Precision P, int R>
inline void gemm_tile(const PackedActivations& activations, int row, const PackedWeights& weights,
                      int panel, int begin, int end, float* out) {
  const auto* words = reinterpret_cast<const uint32_t*>(weights.panel(panel).data);
  microkernel<P, R, kPanelVectors>(
      end - begin, RowWords{activations.row(row), activations.row_words(), 1}.from(0, begin),
      ColumnWords{words, kPanel}.from(begin), Tile{out, kPanel, begin > 0});
}

template <Precision P>
inline void gemm_panel(const PackedActivations& activations, int rows, const PackedWeights& weights,
                       int panel, float* out) {
  for (int begin = 0; begin < weights.steps(); begin += kBlockSteps) {
    const int end = std::min(weights.steps(), begin + kBlockSteps);
    // Tiles of nearly equal size, because a tile of one row is slow.
    const int tiles = ceil_div(rows, kMaxTileRows);
    for (int tile = 0, row = 0; tile < tiles; ++tile) {
      const int tile_rows = ceil_div(rows - row, tiles - tile);
      with_constant<kMaxTileRows>(tile_rows, [&](auto r) {
        gemm_tile<P, decltype(r)::value>(activations, row, weights, panel, begin, end,
                                         out + static_cast<size_t>(row) * kPanel);
      });
      row += tile_rows;
    }
  }
}

// out[r][0..63] = activations[r] times one panel, for the first `rows` rows of activations.
inline void gemm_panel(const PackedActivations& activations, int rows, const PackedWeights& weights,
                       int panel, float* out) {
  if (weights.panel(panel).data == nullptr) {
    std::memset(out, 0, static_cast<size_t>(rows) * kPanel * sizeof(float));
    return;
  }
  switch (weights.precision()) {
    case Precision::kFloat32:
      return gemm_panel<Precision::kFloat32>(activations, rows, weights, panel, out);
    case Precision::kBfloat16:
      return gemm_panel<Precision::kBfloat16>(activations, rows, weights, panel, out);
    case Precision::kInt8:
    case Precision::kInt4: return int8_gemm_panel(activations, rows, weights, panel, out);
  }
}

}  // namespace mt
