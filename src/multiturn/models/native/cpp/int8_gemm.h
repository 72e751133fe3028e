// The product of a few rows of quantized activations with one panel of quantized weights.
//
// For each element of a result, in float32 and in the order of the groups:
//     out = fma(sum of a group's products, weight scale * activation scale, out)
//     out = fma(minimum, activation scale * sum of the activations, out)   where there are minima
// The sums are exact integers, so every instruction set computes the same bits.
#pragma once

#include "int8_amx.h"
#include "int8_dot.h"

namespace mt {

// The most rows of a tile.
template <Codes C>
constexpr int max_tile_rows() {
#if defined(__AVX512F__) || defined(__AVXVNNI__) || defined(__aarch64__)
  return 6;
#elif defined(MT_MADDUBS)
  return C == Codes::kUpTo255 ? 4 : 6;
#else
  return 4;
#endif
}

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
                         int row, int column, float* out) {
  const uint8_t* header = panel.data + group * panel.group_bytes + column * kNativeBytes / 2;
  const size_t groups = all.row_groups(), first = row * groups + group;
  NativeInts sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const int32_t start = (code_offset<C>() - panel.zero) * all.sums(0)[first + r * groups];
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) sums[r][v] = NativeInts{} + start;
  }
  add_group<C, R, V>(
      sums, GroupRows(all, row, group),
      panel.data + group * panel.group_bytes + panel.header_bytes + column * kNativeBytes);
  const auto add = [&](int r, int v, NativeFloats a, NativeFloats b) {
    NativeFloats* to =
        reinterpret_cast<NativeFloats*>(out + r * kPanel + (column + v) * kNativeLanes);
    *to = fused(a, b, *to);
  };
#pragma GCC unroll 16
  for (int v = 0; v < V; ++v) {
    const NativeFloats scale = load_halves(header + v * kNativeBytes / 2);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
      add(r, v, __builtin_convertvector(sums[r][v], NativeFloats),
          scale * all.scales(0)[first + r * groups]);
  }
  if (!panel.minima) return;
#pragma GCC unroll 16
  for (int v = 0; v < V; ++v) {
    const NativeFloats minimum = load_halves(header + kScaleBytes + v * kNativeBytes / 2);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
      add(r, v, minimum, NativeFloats{} + all.scaled_sums(0)[first + r * groups]);
  }
}

// Rows [first, rows).
template <Codes C>
inline void int8_gemm_panel(const QuantizedPanel& panel, int groups, const PackedActivations& all,
                            int first, int rows, float* out) {
  constexpr int kMaxRows = max_tile_rows<C>();
  std::memset(out + static_cast<size_t>(first) * kPanel, 0,
              static_cast<size_t>(rows - first) * kPanel * sizeof(float));
  for (int group = 0; group < groups; ++group) {
    // Tiles of nearly equal size, because a tile of one row is slow.
    const int tiles = ceil_div(rows - first, kMaxRows);
    for (int tile = 0, row = first; tile < tiles; ++tile) {
      const int tile_rows = ceil_div(rows - row, tiles - tile);
      with_constant<kMaxRows>(tile_rows, [&](auto constant) {
        constexpr int R = decltype(constant)::value, V = tile_vectors<R>();
        for (int column = 0; column < kPanelNativeVectors; column += V)
          int8_tile<C, R, V>(panel, group, all, row, column,
                             out + static_cast<size_t>(row) * kPanel);
      });
      row += tile_rows;
    }
  }
}

template <Codes C>
struct CodesConstant {
  static constexpr Codes value = C;
};

inline void int8_gemm_panel(const PackedActivations& activations, int rows,
                            const PackedWeights& weights, int index, float* out) {
  const PackedWeights::Panel& panel = weights.panel(index);
  const PackedWeights::Format& format = weights.format(panel);
  const QuantizedPanel view{panel.data, format.header_bytes(), format.group_bytes(), format.zero,
                            format.minima};
  const int groups = weights.groups();
  int first = 0;
#if defined(MT_AMX)
  first = amx_gemm_panel(activations, rows, weights, index, out);
  if (first == rows) return;
#endif
  const auto run = [&](auto codes) {
    int8_gemm_panel<decltype(codes)::value>(view, groups, activations, first, rows, out);
  };
  if (format.nibbles) return run(CodesConstant<Codes::kNibbles>{});
#if defined(MT_MADDUBS)
  if (format.max_code <= 15) return run(CodesConstant<Codes::kUpTo15>{});
  if (format.max_code <= 31) return run(CodesConstant<Codes::kUpTo31>{});
#endif
  run(CodesConstant<Codes::kUpTo255>{});
}

}  // namespace mt
