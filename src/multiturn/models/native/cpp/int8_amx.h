// The int8 product on the matrix unit of AMX, for 16 rows at a time. The same bits as int8_gemm.h:
// a tile holds the exact sums of one group, and vectors scale and add them in the same order.
//
// Some groups of a panel are first unpacked to bytes with a sign, and sums go through memory. That
// is why it takes many rows to be faster than dpbusd.
#pragma once

#include "int8_dot.h"

#if defined(__AMX_INT8__) && defined(__AVX512F__) && defined(__linux__)
#define MT_AMX 1

#include <sys/syscall.h>
#include <unistd.h>

namespace mt {

constexpr int kAmxRows = 16;
constexpr int kAmxGroups = 8;    // unpacked at a time
constexpr int kAmxMinRows = 64;  // with fewer, dpbusd is as fast or faster (measured)

// Linux gives a process the registers of AMX only if it asks. If it refuses, dpbusd does the work.
inline bool amx_allowed() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  static const bool allowed = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return allowed;
}

// Configures the tiles of this thread while it lives: sums in 0 to 3, activations in 4 and 5,
// weights in 6 and 7.
class AmxTiles {
 public:
  AmxTiles() {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, kGroup, kGroup, 64, 64};
      uint8_t rows[16] = {kAmxRows, kAmxRows, kAmxRows,    kAmxRows,
                          kAmxRows, kAmxRows, kGroupSteps, kGroupSteps};
    } config;
    static_assert(sizeof config == 64);
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~AmxTiles() { asm volatile("tilerelease" :::); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;
};

struct alignas(64) AmxBlock {
  int8_t codes[kAmxGroups][kGroupSteps * kStepBytes];
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
      for (int v = 0; v < kPanelNativeVectors; ++v)
        for (int pair = 0; pair < kGroupSteps / 2; ++pair) {
          NativeInts even, odd;
          const uint8_t* from = data + format.header_bytes();
          if (format.nibbles)
            load_codes<Codes::kNibbles>(from, pair, v, even, odd);
          else
            load_codes<Codes::kUpTo255>(from, pair, v, even, odd);
          auto* to =
              reinterpret_cast<Codes64*>(codes[g] + 2 * pair * kStepBytes + v * kNativeBytes);
          to[0] = reinterpret_cast<Codes64>(even) - zero;
          to[kStepBytes / sizeof(Codes64)] = reinterpret_cast<Codes64>(odd) - zero;
        }
    }
  }
};

// The sums of a group, 16 rows times 16 outputs, by way of tile `sum`.
#define MT_AMX_GROUP(sum, activations, weights)                                             \
  asm volatile("tilezero %%tmm" #sum "\n\ttileloadd (%0,%1,1), %%tmm" #activations          \
               "\n\ttileloadd (%2,%3,1), %%tmm" #weights "\n\ttdpbssd %%tmm" #weights       \
               ", %%tmm" #activations ", %%tmm" #sum "\n\ttilestored %%tmm" #sum            \
               ", (%4,%5,1)" ::"r"(rows),                                                   \
               "r"(row_bytes), "r"(codes), "r"(static_cast<size_t>(kStepBytes)), "r"(sums), \
               "r"(sizeof(int32_t) * kLanes)                                                \
               : "memory")

MT_INLINE void amx_group(int tile, const int8_t* rows, size_t row_bytes, const int8_t* codes,
                         int32_t* sums) {
  switch (tile % 4) {
    case 0: MT_AMX_GROUP(0, 4, 6); break;
    case 1: MT_AMX_GROUP(1, 5, 7); break;
    case 2: MT_AMX_GROUP(2, 4, 6); break;
    default: MT_AMX_GROUP(3, 5, 7);
  }
}
#undef MT_AMX_GROUP

// 16 rows of activations, from `row` on, times vector v of `groups` unpacked groups.
template <bool Minima>
inline void amx_tile(const AmxBlock& block, int first_group, int groups,
                     const PackedActivations& all, int row, int v, float* out) {
  const auto* rows = reinterpret_cast<const int8_t*>(all.row(row)) + first_group * kGroup;
  const size_t row_bytes = all.row_words() * kWordBytes, row_groups = all.row_groups();
  const float* row_scales = all.scales(row) + first_group;
  const float* row_sums = all.scaled_sums(row) + first_group;
  // All groups first: the results of a tile arrive long after its product began.
  alignas(64) int32_t sums[kAmxGroups][kAmxRows][kLanes];
#pragma GCC unroll 8
  for (int g = 0; g < kAmxGroups; ++g)
    if (g < groups)
      amx_group(g, rows + g * kGroup, row_bytes, block.codes[g] + v * kNativeBytes, sums[g][0]);
  NativeFloats totals[kAmxRows];
#pragma GCC unroll 16
  for (int r = 0; r < kAmxRows; ++r)
    totals[r] = first_group > 0 ? load(out + r * kPanel + v * kLanes) : NativeFloats{};
  for (int g = 0; g < groups; ++g) {
    const NativeFloats scale = load(block.scales[g] + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kAmxRows; ++r) {
      const auto sum = *reinterpret_cast<const NativeInts*>(sums[g][r]);
      totals[r] = fused(__builtin_convertvector(sum, NativeFloats),
                        scale * row_scales[r * row_groups + g], totals[r]);
    }
    if constexpr (Minima) {
      const NativeFloats minimum = load(block.minima[g] + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kAmxRows; ++r)
        totals[r] = fused(minimum, NativeFloats{} + row_sums[r * row_groups + g], totals[r]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kAmxRows; ++r) store(out + r * kPanel + v * kLanes, totals[r]);
}

// As int8_gemm_panel, for as many rows as fill tiles. Returns how many.
inline int amx_gemm_panel(const PackedActivations& activations, int rows,
                          const PackedWeights& weights, int index, float* out) {
  const int full = rows / kAmxRows * kAmxRows;
  if (rows < kAmxMinRows || !amx_allowed()) return 0;
  const PackedWeights::Panel& panel = weights.panel(index);
  const PackedWeights::Format& format = weights.format(panel);
  const AmxTiles tiles;
  AmxBlock block;
  for (int begin = 0; begin < weights.groups(); begin += kAmxGroups) {
    const int groups = std::min(kAmxGroups, weights.groups() - begin);
    block.unpack(panel.data + begin * format.group_bytes(), groups, format);
    for (int row = 0; row < full; row += kAmxRows)
      for (int v = 0; v < kPanelVectors; ++v) {
        float* to = out + static_cast<size_t>(row) * kPanel;
        if (format.minima)
          amx_tile<true>(block, begin, groups, activations, row, v, to);
        else
          amx_tile<false>(block, begin, groups, activations, row, v, to);
      }
  }
  return full;
}

}  // namespace mt

#endif
