// The product of two matrices that are both new on every call: C = A B, either of them transposed,
// in float32 or bfloat16, summed in float32.
//
// Both are packed first, A in panels of a few rows and B in panels of some columns, so that the
// inner loop reads each of them from front to back. A processor without instructions for bfloat16
// widens it to float32 there, once for each value. Each element is one chain of sums over the
// inputs in their order, whatever the number of threads.
#pragma once

#include "copy_row.h"
#include "matmul_amx.h"
#include "parallel.h"
#include "tile.h"
#include "transpose.h"

namespace mt {

#if defined(__AVX512BF16__)
constexpr bool kMultipliesBfloat16 = true;
#else
constexpr bool kMultipliesBfloat16 = false;
#endif

constexpr int kMatmulBlockRows = 96;  // rows of A that stay in the second-level cache
constexpr int kMatmulBlockSteps = 256;
constexpr int kPackSteps = 64;

// Packs `count` rows or columns of an operand as to[step * Width + index], with zeros from `count`
// to Width. `outer` and `inner` are those of Operand. A step has PerWord values of type T; one
// bfloat16 in a word is widened to float32.
template <class T, int Width, int PerWord>
void pack_panel(const T* from, size_t outer, size_t inner, int count, int inputs, uint32_t* to) {
  constexpr int kShift = PerWord == 1 && sizeof(T) == 2 ? 16 : 0;
  const int steps = ceil_div(inputs, PerWord);
  const int full_steps = inputs / PerWord;
  const auto bits_of = [](T x) {
    uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof(T));
    return bits;
  };
  const auto gather_word = [&](int index, int step) {
    uint32_t word = 0;
    for (int i = 0; i < PerWord && step * PerWord + i < inputs; ++i)
      word |= bits_of(from[index * outer + (step * PerWord + i) * inner]) << (16 * i + kShift);
    return word;
  };
  if (count < Width) std::memset(to, 0, sizeof(uint32_t) * Width * steps);
  if (inner == 1) {
    constexpr int kLineSteps = 16;  // one cache line of each row
    for (int begin = 0; begin < full_steps; begin += kLineSteps) {
      const int end = std::min(full_steps, begin + kLineSteps);
      int index = 0;
      if constexpr (Width % kLanes == 0 && PerWord * sizeof(T) == kWordBytes)
        for (; end - begin == kLanes && index + kLanes <= count; index += kLanes) {
          alignas(64) WordSquare square;
          for (int i = 0; i < kLanes; ++i)
            std::memcpy(square[i], from + (index + i) * outer + begin * PerWord, sizeof square[i]);
          transpose(square);
          for (int i = 0; i < kLanes; ++i)
            std::memcpy(to + (begin + i) * Width + index, square[i], sizeof square[i]);
        }
      for (; index < count; ++index) {
        const T* row = from + index * outer;
        for (int step = begin; step < end; ++step) {
          if constexpr (PerWord * sizeof(T) == kWordBytes)
            std::memcpy(&to[step * Width + index], row + step * PerWord, kWordBytes);
          else
            to[step * Width + index] = bits_of(row[step]) << kShift;
        }
      }
    }
  } else if (outer == 1) {
    for (int step = 0; step < full_steps; ++step) {
      const T* first = from + static_cast<size_t>(step) * PerWord * inner;
      for (int index = 0; index < count; ++index) {
        uint32_t word = bits_of(first[index]) << kShift;
        if constexpr (PerWord == 2) word |= bits_of(first[inner + index]) << 16;
        to[step * Width + index] = word;
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

// How vectors multiply: what `multiply` needs to know of a kernel.
template <class T>
struct VectorKernel {
  static constexpr bool kPairs = kMultipliesBfloat16 && sizeof(T) == 2;
  static constexpr Precision kPrecision = kPairs ? Precision::kBfloat16 : Precision::kFloat32;
  static constexpr int kPerWord = kPairs ? 2 : 1;
  static constexpr int kRows = kTileRows;  // of a panel of A
  static constexpr int kStepMultiple = 1;  // of the steps of a panel

  struct Thread {};  // what a thread needs while it multiplies

  static void pack_rows(const T* from, const Operand& a, int count, int inputs, uint32_t* to) {
    pack_panel<T, kRows, kPerWord>(from, a.outer, a.inner, count, inputs, to);
  }
  // `rows` and `columns` begin at the same step of their panels.
  static void product(int steps, const uint32_t* rows, const uint32_t* columns, Tile out) {
    tile_product<kPrecision, kRows, kTileVectors>(steps, RowWords{rows, 1, kRows},
                                                  ColumnWords{columns, kTileColumns}, out);
  }
};

// out[m][n] for m in [0, rows) and n in [0, columns).
template <class Kernel, class T, class Pool, class Out>
void multiply(Pool& pool, int rows, int columns, int inputs, const Operand& a, const Operand& b,
              Out* out) {
  constexpr int kPerWord = Kernel::kPerWord, kRows = Kernel::kRows;
  const int steps = round_up(ceil_div(inputs, kPerWord), Kernel::kStepMultiple);
  const int row_panels = ceil_div(rows, kRows), panels = ceil_div(columns, kTileColumns);
  const size_t row_panel_words = static_cast<size_t>(steps) * kRows;
  const size_t panel_words = static_cast<size_t>(steps) * kTileColumns;
  ScratchArrays<2> scratch({row_panels * row_panel_words, panels * panel_words});
  const auto [packed_a, packed_b] = scratch.pointers<uint32_t>();
  const auto a_panel = [packed = packed_a, row_panel_words](int p) {
    return packed + p * row_panel_words;
  };
  const auto b_panel = [packed = packed_b, panel_words](int p) { return packed + p * panel_words; };

  constexpr int kBlockPanels = kMatmulBlockRows / kRows;
  const int blocks = ceil_div(row_panels, kBlockPanels);
  constexpr int kGroupPanels = 64 / kTileColumns;  // packed together, because they share pages
  const int groups = ceil_div(panels, kGroupPanels);
  parallel_for(pool, blocks + groups, [&](int i) {
    if (i < blocks) {
      for (int p = i * kBlockPanels; p < std::min(row_panels, (i + 1) * kBlockPanels); ++p)
        Kernel::pack_rows(static_cast<const T*>(a.data) + p * kRows * a.outer, a,
                          std::min(kRows, rows - p * kRows), inputs, a_panel(p));
      return;
    }
    const int first = (i - blocks) * kGroupPanels, last = std::min(panels, first + kGroupPanels);
    for (int begin = 0; begin < steps; begin += kPackSteps)
      for (int p = first; p < last; ++p)
        pack_panel<T, kTileColumns, kPerWord>(
            static_cast<const T*>(b.data) + p * kTileColumns * b.outer + begin * kPerWord * b.inner,
            b.outer, b.inner, std::min(kTileColumns, columns - p * kTileColumns),
            std::min(kPackSteps * kPerWord, inputs - begin * kPerWord),
            b_panel(p) + begin * kTileColumns);
    const int packed = ceil_div(inputs, kPerWord);
    for (int p = first; p < last; ++p)
      std::fill(b_panel(p) + packed * kTileColumns, b_panel(p) + panel_words, 0);
  });

  // The larger matrix is read once; the smaller one stays in the cache.
  const bool by_columns = rows < columns;
  parallel_for(pool, blocks * panels, [&](int i) {
    const int block = by_columns ? i % blocks : i / panels;
    const int p = by_columns ? i / blocks : i % panels;
    const int first_panel = block * kBlockPanels;
    const int last_panel = std::min(row_panels, first_panel + kBlockPanels);
    const typename Kernel::Thread thread{};
    alignas(64) float sums[kMatmulBlockRows * kTileColumns];
    for (int begin = 0; begin < steps; begin += kMatmulBlockSteps) {
      const int count = std::min(kMatmulBlockSteps, steps - begin);
      for (int t = first_panel; t < last_panel; ++t) {
        float* tile = sums + (t - first_panel) * kRows * kTileColumns;
        Kernel::product(count, a_panel(t) + begin * kRows, b_panel(p) + begin * kTileColumns,
                        Tile{tile, kTileColumns, begin > 0});
      }
    }
    const int first_row = first_panel * kRows, column = p * kTileColumns;
    const int end = std::min(rows, last_panel * kRows);
    for (int row = first_row; row < end; ++row)
      copy_row(sums + (row - first_row) * kTileColumns, std::min(kTileColumns, columns - column),
               out + static_cast<size_t>(row) * columns + column);
  });
}

template <class T, class Pool, class Out>
void matmul(Pool& pool, int rows, int columns, int inputs, const Operand& a, const Operand& b,
            Out* out) {
#if defined(MT_AMX_BFLOAT16)
  if constexpr (sizeof(T) == 2)
    if (amx_allowed()) return multiply<AmxKernel, T>(pool, rows, columns, inputs, a, b, out);
#endif
  multiply<VectorKernel<T>, T>(pool, rows, columns, inputs, a, b, out);
}

}  // namespace mt
