// The product of a few rows of quantized activations with one panel of quantized weights.
//
// For each element of a result, in float32 and in the order of the groups:
//     out = fma(sum of a group's products, weight scale * activation scale, out)
//     out = fma(minimum, activation scale * sum of the activations, out)   where there are minima
// The sums are exact integers, so every instruction set computes the same bits.
#pragma once

#include "int8_dot.h"

namespace mt {

// Columns of a tile of R rows in native vectors, so that the sums fit the registers.
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

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kInt8TileRows = 6;
#else
constexpr int kInt8TileRows = 4;
#endif

// One panel, from some group on.
struct QuantizedPanel {
  const uint8_t* data;
  size_t header_bytes, group_bytes;
  int zero;
  bool minima;
};

// R rows of activations, from `row` on, times native vectors [column, column + V) of one group.
template <Codes C, int R, int V>
MT_INLINE void int8_tile(const QuantizedPanel& panel, int group, const PackedActivations& all,
                         int row, int column, bool accumulate, float* out) {
  const uint8_t* data = panel.data + group * panel.group_bytes;
  const auto* rows = reinterpret_cast<const int8_t*>(all.row(row)) + group * kGroup;
  const size_t groups = all.row_groups(), first = row * groups + group;
  NativeInts sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const int32_t start = (kCodeOffset - panel.zero) * all.sums(0)[first + r * groups];
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) sums[r][v] = NativeInts{} + start;
  }
  add_group<C, R, V>(sums, rows, all.row_words() * kWordBytes,
                     data + panel.header_bytes + column * kNativeBytes);
#pragma GCC unroll 16
  for (int v = 0; v < V; ++v) {
    const uint8_t* header = data + (column + v) * kNativeBytes / 2;
    const NativeFloats scale = load_halves(header);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      float* to = out + r * kPanel + (column + v) * kNativeLanes;
      const size_t at = first + r * groups;
      NativeFloats sum =
          accumulate ? *reinterpret_cast<const NativeFloats*>(to) : NativeFloats{};
      sum = fused(__builtin_convertvector(sums[r][v], NativeFloats), scale * all.scales(0)[at], sum);
      if (panel.minima)
        sum = fused(load_halves(header + kScaleBytes), NativeFloats{} + all.scaled_sums(0)[at], sum);
      *reinterpret_cast<NativeFloats*>(to) = sum;
    }
  }
}

template <Codes C>
inline void int8_gemm_panel(const QuantizedPanel& panel, int groups, const PackedActivations& all,
                            int rows, float* out) {
  for (int group = 0; group < groups; ++group) {
    // Tiles of nearly equal size, because a tile of one row is slow.
    const int tiles = ceil_div(rows, kInt8TileRows);
    for (int tile = 0, row = 0; tile < tiles; ++tile) {
      const int tile_rows = ceil_div(rows - row, tiles - tile);
      with_constant<kInt8TileRows>(tile_rows, [&](auto constant) {
        constexpr int R = decltype(constant)::value, V = tile_vectors<R>();
        for (int column = 0; column < kPanelNativeVectors; column += V)
          int8_tile<C, R, V>(panel, group, all, row, column, group > 0,
                             out + static_cast<size_t>(row) * kPanel);
      });
      row += tile_rows;
    }
  }
}

inline void int8_gemm_panel(const PackedActivations& activations, int rows,
                            const PackedWeights& weights, int index, float* out) {
  const PackedWeights::Panel& panel = weights.panel(index);
  const PackedWeights::Format& format = weights.format(panel);
  const QuantizedPanel view{panel.data, format.header_bytes(), format.group_bytes(), format.zero,
                            format.minima};
  const int groups = weights.groups();
  if (format.nibbles) return int8_gemm_panel<Codes::kNibbles>(view, groups, activations, rows, out);
#if defined(MT_MADDUBS)
  if (format.max_code <= 15)
    return int8_gemm_panel<Codes::kUpTo15>(view, groups, activations, rows, out);
  if (format.max_code <= 31)
    return int8_gemm_panel<Codes::kUpTo31>(view, groups, activations, rows, out);
#endif
  int8_gemm_panel<Codes::kUpTo255>(view, groups, activations, rows, out);
}

}  // namespace mt
