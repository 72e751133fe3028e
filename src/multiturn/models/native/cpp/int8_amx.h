// The int8 product on the matrix unit of AMX, for 16 rows at a time. The same bits as int8_gemm.h:
// a tile holds the exact sums of one group, and vectors scale and add them in the same order.
//
// Some groups of a panel are first unpacked to bytes with a sign, and sums go through memory. That
// is why it takes many rows to be faster than dpbusd.
#pragma once

#include "amx.h"
#include "int8_dot.h"

#if defined(MT_AMX)

namespace mt {

constexpr int kAmxGroups = 8;    // unpacked at a time, 16 KB
constexpr int kAmxSummed = 4;    // groups whose sums are in memory at a time, 16 KB
constexpr int kAmxMinRows = 64;  // with fewer, dpbusd is as fast or faster (measured)

// Sums in tiles 0 to 3, activations in 4, weights in 6 and 7.
constexpr AmxShapes kInt8Shapes = {
    .row_bytes = {64, 64, 64, 64, kGroup, kGroup, 64, 64},
    .rows = {kAmxRows, kAmxRows, kAmxRows, kAmxRows, kAmxRows, kAmxRows, kGroupSteps, kGroupSteps}};

struct alignas(64) AmxBlock {
  int8_t codes[kAmxGroups][kPanelVectors][kGroupSteps][kNativeBytes];
  float scales[kAmxGroups][kPanel], minima[kAmxGroups][kPanel];

  void unpack(const uint8_t* data, int groups, const PackedWeights::Format& format) {
    typedef uint8_t Codes64 __attribute__((vector_size(64)));
    const Codes64 zero = Codes64{} + static_cast<uint8_t>(format.zero);
    for (int g = 0; g < groups; ++g, data += format.group_bytes()) {
      for (int n = 0; n < kPanel; n += kNativeLanes) {
        *reinterpret_cast<NativeFloats*>(scales[g] + n) = load_halves(data + 2 * n);
        if (format.minima)
          *reinterpret_cast<NativeFloats*>(minima[g] + n) = load_halves(data + kScaleBytes + 2 * n);
      }
      for (int v = 0; v < kPanelVectors; ++v)
        for (int pair = 0; pair < kGroupSteps / 2; ++pair) {
          NativeInts even, odd;
          const uint8_t* from = data + format.header_bytes();
          if (format.nibbles)
            load_codes<Codes::kNibbles>(from, pair, v, even, odd);
          else
            load_codes<Codes::kUpTo255>(from, pair, v, even, odd);
          auto* to = reinterpret_cast<Codes64*>(codes[g][v][2 * pair]);
          to[0] = reinterpret_cast<Codes64>(even) - zero;
          to[1] = reinterpret_cast<Codes64>(odd) - zero;
        }
    }
  }
};

// The sums of each group: 16 rows times the 64 outputs of a panel.
typedef int32_t AmxSums[kAmxSummed * kPanelVectors][kAmxRows][kLanes];

#define MT_AMX_MULTIPLY(sum, weights, codes)                      \
  asm volatile("tilezero %%tmm" #sum::);                          \
  MT_AMX_LOAD(weights, codes, static_cast<size_t>(kNativeBytes)); \
  asm volatile("tdpbssd %%tmm" #weights ", %%tmm4, %%tmm" #sum::)

// 16 rows of activations times G groups of a panel. A result arrives long after its product began,
// so each tile of sums is stored only when the fourth product after it needs the tile.
template <int G>
MT_INLINE void amx_products(const AmxBlock& block, int at, const int8_t* rows, size_t row_bytes,
                            AmxSums& sums) {
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) {
    int32_t (*before)[kAmxRows][kLanes] = &sums[std::max(0, g - 1) * kPanelVectors];
    if (g > 0) MT_AMX_STORE(0, before[0], kAmxTileBytes);
    MT_AMX_LOAD(4, rows + g * kGroup, row_bytes);
    MT_AMX_MULTIPLY(0, 6, block.codes[at + g][0]);
    if (g > 0) MT_AMX_STORE(1, before[1], kAmxTileBytes);
    MT_AMX_MULTIPLY(1, 7, block.codes[at + g][1]);
    if (g > 0) MT_AMX_STORE(2, before[2], kAmxTileBytes);
    MT_AMX_MULTIPLY(2, 6, block.codes[at + g][2]);
    if (g > 0) MT_AMX_STORE(3, before[3], kAmxTileBytes);
    MT_AMX_MULTIPLY(3, 7, block.codes[at + g][3]);
  }
  int32_t (*last)[kAmxRows][kLanes] = &sums[(G - 1) * kPanelVectors];
  MT_AMX_STORE(0, last[0], kAmxTileBytes);
  MT_AMX_STORE(1, last[1], kAmxTileBytes);
  MT_AMX_STORE(2, last[2], kAmxTileBytes);
  MT_AMX_STORE(3, last[3], kAmxTileBytes);
}
#undef MT_AMX_MULTIPLY

// Scales the sums of G groups and adds them to the results of 16 rows, four at a time: theirs fit
// the registers, and the scale of a row's activations is read once for the 64 outputs.
template <bool Minima, int G>
MT_INLINE void amx_add(const AmxBlock& block, int at, const AmxSums& sums, const float* row_scales,
                       const float* row_sums, size_t row_groups, bool first, float* out) {
  constexpr int kRows = 4;
  for (int row = 0; row < kAmxRows; row += kRows, out += kRows * kPanel) {
    NativeFloats totals[kRows][kPanelVectors];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kPanelVectors; ++v)
        totals[r][v] = first ? NativeFloats{} : load(out + r * kPanel + v * kLanes);
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) {
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const auto scale = NativeFloats{} + row_scales[(row + r) * row_groups + g];
#pragma GCC unroll 4
        for (int v = 0; v < kPanelVectors; ++v) {
          const auto sum =
              *reinterpret_cast<const NativeInts*>(sums[g * kPanelVectors + v][row + r]);
          totals[r][v] = fused(__builtin_convertvector(sum, NativeFloats),
                               load(block.scales[at + g] + v * kLanes) * scale, totals[r][v]);
        }
      }
      if constexpr (Minima) {
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          const auto sum = NativeFloats{} + row_sums[(row + r) * row_groups + g];
#pragma GCC unroll 4
          for (int v = 0; v < kPanelVectors; ++v)
            totals[r][v] = fused(load(block.minima[at + g] + v * kLanes), sum, totals[r][v]);
        }
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kPanelVectors; ++v) store(out + r * kPanel + v * kLanes, totals[r][v]);
  }
}

// The first `rows` rows of activations, which fill tiles, times `groups` unpacked groups.
template <bool Minima>
inline void amx_gemm_block(const AmxBlock& block, int first_group, int groups,
                           const PackedActivations& all, int rows, float* out) {
  alignas(64) AmxSums sums;
  for (int row = 0; row < rows; row += kAmxRows, out += kAmxRows * kPanel)
    for (int at = 0; at < groups; at += kAmxSummed)
      with_constant<kAmxSummed>(groups - at, [&](auto constant) {
        constexpr int G = decltype(constant)::value;
        const int group = first_group + at;
        const auto* words = reinterpret_cast<const int8_t*>(all.row(row));
        amx_products<G>(block, at, words + group * kGroup, all.row_words() * kWordBytes, sums);
        amx_add<Minima, G>(block, at, sums, all.scales(row) + group, all.scaled_sums(row) + group,
                           all.row_groups(), group == 0, out);
      });
}

// As int8_gemm_panel, for as many rows as fill tiles. Returns how many.
inline int amx_gemm_panel(const PackedActivations& activations, int rows,
                          const PackedWeights& weights, int index, float* out) {
  const int full = rows / kAmxRows * kAmxRows;
  if (rows < kAmxMinRows || !amx_allowed()) return 0;
  const PackedWeights::Panel& panel = weights.panel(index);
  const PackedWeights::Format& format = weights.format(panel);
  const AmxTiles tiles(kInt8Shapes);
  AmxBlock block;
  for (int begin = 0; begin < weights.groups(); begin += kAmxGroups) {
    const int groups = std::min(kAmxGroups, weights.groups() - begin);
    block.unpack(panel.data + begin * format.group_bytes(), groups, format);
    if (format.minima)
      amx_gemm_block<true>(block, begin, groups, activations, full, out);
    else
      amx_gemm_block<false>(block, begin, groups, activations, full, out);
  }
  return full;
}

}  // namespace mt

#endif
