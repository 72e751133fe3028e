// The product of two matrices that are both new on every call: C = A B, either of them transposed,
// in float32 or bfloat16, summed in float32.
//
// Both are packed first, A in panels of 6 rows and B in panels of 64 columns, so that the inner
// loop reads each of them from front to back. Each element is one chain of sums over the inputs in
// their order, whatever the number of threads.
#pragma once

#include "../../cpp/gemm.h"
#include "parallel.h"

namespace mt {

struct Operand {
  const void* data;
  size_t outer;  // elements from one row of A, or one column of B, to the next
  size_t inner;  // elements from one input to the next
};

constexpr int kPanelRows = kMaxTileRows;
constexpr int kMatmulBlockRows = 96;  // rows of A that stay in the second-level cache
constexpr int kMatmulBlockSteps = 256;

// Packs `count` rows or columns of an operand as to[step * Width + index], with zeros from `count`
// to Width. `outer` and `inner` are those of Operand.
template <class T, int Width>
void pack_panel(const T* from, size_t outer, size_t inner, int count, int inputs, uint32_t* to) {
  constexpr int kPerWord = kWordBytes / sizeof(T);
  const int steps = ceil_div(inputs, kPerWord);
  const int full_steps = inputs / kPerWord;
  const auto gather_word = [&](int index, int step) {
    uint32_t word = 0;
    for (int i = 0; i < kPerWord && step * kPerWord + i < inputs; ++i) {
      uint32_t bits = 0;
      std::memcpy(&bits, from + index * outer + (step * kPerWord + i) * inner, sizeof(T));
      word |= bits << (16 * i * (kPerWord - 1));
    }
    return word;
  };
  if (count < Width) std::memset(to, 0, sizeof(uint32_t) * Width * steps);
  if (inner == 1) {
    constexpr int kLineSteps = 16;  // one cache line of each row
    for (int begin = 0; begin < full_steps; begin += kLineSteps) {
      const int end = std::min(full_steps, begin + kLineSteps);
      for (int index = 0; index < count; ++index) {
        const T* row = from + index * outer;
        for (int step = begin; step < end; ++step)
          std::memcpy(&to[step * Width + index], row + step * kPerWord, kWordBytes);
      }
    }
  } else if (outer == 1) {
    for (int step = 0; step < full_steps; ++step) {
      const T* first = from + static_cast<size_t>(step) * kPerWord * inner;
      if constexpr (kPerWord == 1) {
        std::memcpy(to + step * Width, first, count * sizeof(T));
      } else {
        const T* second = first + inner;
        for (int index = 0; index < count; ++index)
          to[step * Width + index] = first[index] | static_cast<uint32_t>(second[index]) << 16;
      }
    }
  } else {
    for (int step = 0; step < full_steps; ++step)
      for (int index = 0; index < count; ++index)
        to[step * Width + index] = gather_word(index, step);
  }
  for (int step = full_steps; step < steps; ++step)
    for (int index = 0; index < count; ++index) to[step * Width + index] = gather_word(index, step);
}

inline void copy_row(const float* from, int count, float* to) {
  std::memcpy(to, from, count * sizeof(float));
}

inline void copy_row(const float* from, int count, Bfloat16* to) {
  int n = 0;
  for (; n + kLanes <= count; n += kLanes) store(to + n, load(from + n));
  for (; n < count; ++n) to[n] = to_bfloat16(from[n]);
}

// out[m][n] for m in [0, rows) and n in [0, columns).
template <class T, class Pool, class Out>
void matmul(Pool& pool, int rows, int columns, int inputs, const Operand& a, const Operand& b,
            Out* out) {
  constexpr Precision P = sizeof(T) == 4 ? Precision::kFloat32 : Precision::kBfloat16;
  const int steps = ceil_div(inputs, values_per_word(P));
  const int row_panels = ceil_div(rows, kPanelRows), panels = ceil_div(columns, kPanel);
  const size_t row_panel_words = static_cast<size_t>(steps) * kPanelRows;
  const size_t panel_words = static_cast<size_t>(steps) * kPanel;
  ScratchArrays<2> scratch({row_panels * row_panel_words, panels * panel_words});
  const auto [packed_a, packed_b] = scratch.pointers<uint32_t>();
  const auto a_panel = [packed = packed_a, row_panel_words](int p) {
    return packed + p * row_panel_words;
  };
  const auto b_panel = [packed = packed_b, panel_words](int p) { return packed + p * panel_words; };

  constexpr int kBlockPanels = kMatmulBlockRows / kPanelRows;
  const int blocks = ceil_div(row_panels, kBlockPanels);
  parallel_for(pool, blocks + panels, [&](int i) {
    if (i < blocks) {
      for (int p = i * kBlockPanels; p < std::min(row_panels, (i + 1) * kBlockPanels); ++p)
        pack_panel<T, kPanelRows>(static_cast<const T*>(a.data) + p * kPanelRows * a.outer, a.outer,
                                  a.inner, std::min(kPanelRows, rows - p * kPanelRows), inputs,
                                  a_panel(p));
    } else {
      const int p = i - blocks;
      pack_panel<T, kPanel>(static_cast<const T*>(b.data) + p * kPanel * b.outer, b.outer, b.inner,
                            std::min(kPanel, columns - p * kPanel), inputs, b_panel(p));
    }
  });

  parallel_for(pool, blocks * panels, [&](int i) {
    const int first_panel = (i / panels) * kBlockPanels, p = i % panels;
    const int last_panel = std::min(row_panels, first_panel + kBlockPanels);
    alignas(64) float sums[kMatmulBlockRows * kPanel];
    for (int begin = 0; begin < steps; begin += kMatmulBlockSteps) {
      const int count = std::min(kMatmulBlockSteps, steps - begin);
      for (int t = first_panel; t < last_panel; ++t) {
        float* tile = sums + (t - first_panel) * kPanelRows * kPanel;
        microkernel<P, kPanelRows, kPanelVectors>(
            count, RowWords{a_panel(t), 1, kPanelRows}.from(0, begin),
            ColumnWords{b_panel(p), kPanel}.from(begin), Tile{tile, kPanel, begin > 0});
      }
    }
    const int first_row = first_panel * kPanelRows, column = p * kPanel;
    const int end = std::min(rows, last_panel * kPanelRows);
    for (int row = first_row; row < end; ++row)
      copy_row(sums + (row - first_row) * kPanel, std::min(kPanel, columns - column),
               out + static_cast<size_t>(row) * columns + column);
  });
}

}  // namespace mt
