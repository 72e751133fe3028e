// The matrix product: microkernels that keep their sums in registers, and the product of a few
// rows of activations with one panel of weights.
//
// Each element of a result is one chain of sums over the inputs in their order, however many rows
// there are. That is why a token's numbers do not depend on the rows that are computed with it.
#pragma once

#include "int8_gemm.h"
#include "packing.h"

namespace mt {

constexpr int kMaxTileRows = 6;   // 6 rows times 4 vectors of sums fit the 32 registers of AVX-512
constexpr int kBlockSteps = 512;  // steps of a panel that stay in the cache for all rows

// The product of one word of activations with the words of sixteen outputs, added to `sums`.
template <Precision P>
struct Dot;

template <>
struct Dot<Precision::kFloat32> {
  using Sums = Floats;
  static MT_INLINE Sums add(Sums sums, const uint32_t* activations, const uint32_t* weights) {
    float x;
    std::memcpy(&x, activations, sizeof x);
    return fma(load(reinterpret_cast<const float*>(weights)), x, sums);
  }
};

template <>
struct Dot<Precision::kBfloat16> {
  using Sums = Floats;
  static MT_INLINE Sums add(Sums sums, const uint32_t* activations, const uint32_t* weights) {
    uint32_t x;
    std::memcpy(&x, activations, sizeof x);
#if defined(__AVX512BF16__)
    return reinterpret_cast<Floats>(
        _mm512_dpbf16_ps(reinterpret_cast<__m512>(sums),
                         reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int32_t>(x))),
                         reinterpret_cast<__m512bh>(_mm512_loadu_si512(weights))));
#else
    const Words pairs = *reinterpret_cast<const Words*>(weights);
    const float first = to_float(static_cast<Bfloat16>(x & 0xffff));
    const float second = to_float(static_cast<Bfloat16>(x >> 16));
    sums = fma(reinterpret_cast<Floats>(pairs << 16), first, sums);
    return fma(reinterpret_cast<Floats>(pairs & 0xffff0000u), second, sums);
#endif
  }
};

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

// sums[r][v] += row r of `a` times vector v of the columns of `b`, over `steps` steps.
template <Precision P, int R, int V>
MT_INLINE void accumulate(typename Dot<P>::Sums (&sums)[R][V], int steps, RowWords a,
                          ColumnWords b) {
  const uint32_t* rows[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) rows[r] = a.words + r * a.row_stride;
  for (int step = 0; step < steps; ++step)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v)
        sums[r][v] = Dot<P>::add(sums[r][v], rows[r] + step * a.step_stride,
                                 b.words + step * b.step_stride + v * kLanes);
}

// The microkernel of float32 and bfloat16: R rows times V vectors of columns.
template <Precision P, int R, int V>
MT_INLINE void microkernel(int steps, RowWords a, ColumnWords b, Tile out) {
  Floats sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      sums[r][v] = out.accumulate ? load(out.data + r * out.row_stride + v * kLanes) : Floats{};
  accumulate<P, R, V>(sums, steps, a, b);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(out.data + r * out.row_stride + v * kLanes, sums[r][v]);
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
