// Products of two matrices that are both new on every call: C = A B, each as it lies or
// transposed, float32 or bfloat16, summed in float32.
//
// Both are packed first, A in panels of 6 rows and B in panels of 64 columns, so that the
// inner loop reads either from front to back. An element is one chain of sums over the
// inputs in their order, whatever the number of threads.
#pragma once

#include "tile.h"
#include "work.h"

namespace mt {

struct Operand {
  const void* data;
  size_t outer;  // from one row of A, or one column of B, to the next
  size_t inner;  // from one input to the next
};

constexpr int kRowTile = 6;
constexpr int kRowsOfBlock = 96;  // rows of A that stay in the second cache
constexpr int kStepsOfBlock = 256;

// `count` rows or columns of an operand as `to[step * W + place]`; zeros beyond them.
template <class T, int W>
void pack(const T* from, size_t outer, size_t inner, int count, int inputs, uint32_t* to) {
  constexpr int kEach = 4 / sizeof(T);
  const int steps = divide_up(inputs, kEach), whole = inputs / kEach;
  const auto word = [&](int place, int step) {
    uint32_t made = 0;
    for (int i = 0; i < kEach && step * kEach + i < inputs; ++i) {
      T one;
      std::memcpy(&one, from + place * outer + (step * kEach + i) * inner, sizeof(T));
      uint32_t bits = 0;
      std::memcpy(&bits, &one, sizeof(T));
      made |= bits << (16 * i * (kEach - 1));
    }
    return made;
  };
  if (count < W) std::memset(to, 0, sizeof(uint32_t) * W * steps);
  if (inner == 1) {
    constexpr int kSteps = 16;  // a cache line of each row
    for (int begin = 0; begin < whole; begin += kSteps) {
      const int end = std::min(whole, begin + kSteps);
      for (int place = 0; place < count; ++place) {
        const T* line = from + place * outer;
        for (int step = begin; step < end; ++step)
          std::memcpy(&to[step * W + place], line + step * kEach, 4);
      }
    }
  } else if (outer == 1) {
    for (int step = 0; step < whole; ++step) {
      const T* first = from + static_cast<size_t>(step) * kEach * inner;
      if constexpr (kEach == 1) {
        std::memcpy(to + step * W, first, count * sizeof(T));
      } else {
        const T* second = first + inner;
        for (int place = 0; place < count; ++place)
          to[step * W + place] = first[place] | static_cast<uint32_t>(second[place]) << 16;
      }
    }
  } else {
    for (int step = 0; step < whole; ++step)
      for (int place = 0; place < count; ++place) to[step * W + place] = word(place, step);
  }
  for (int step = whole; step < steps; ++step)
    for (int place = 0; place < count; ++place) to[step * W + place] = word(place, step);
}

inline void write(float* to, const float* from, int count) {
  std::memcpy(to, from, count * sizeof(float));
}

inline void write(Bfloat16* to, const float* from, int count) {
  int n = 0;
  for (; n + kLanes <= count; n += kLanes) store(to + n, load(from + n));
  for (; n < count; ++n) to[n] = to_bfloat16(from[n]);
}

// out[m][n] for m below `rows` and n below `columns`.
template <class T, class Out>
void product(xla::ffi::ThreadPool& pool, int rows, int columns, int inputs, const Operand& a,
             const Operand& b, Out* out) {
  constexpr Precision P = sizeof(T) == 4 ? Precision::kFloat32 : Precision::kBfloat16;
  const int steps = divide_up(inputs, inputs_of_step(P));
  const int row_panels = divide_up(rows, kRowTile), panels = divide_up(columns, kPanel);
  const size_t row_panel = static_cast<size_t>(steps) * kRowTile;
  const size_t panel = static_cast<size_t>(steps) * kPanel;
  const size_t a_words = (row_panels * row_panel + 15) / 16 * 16;
  Scratch scratch(a_words + panels * panel);
  uint32_t* packed_a = scratch.words();
  uint32_t* packed_b = packed_a + a_words;

  constexpr int kTilesOfBlock = kRowsOfBlock / kRowTile;
  const int blocks = divide_up(row_panels, kTilesOfBlock);
  share(pool, blocks + panels, [&](int i) {
    if (i < blocks) {
      for (int p = i * kTilesOfBlock; p < std::min(row_panels, (i + 1) * kTilesOfBlock); ++p)
        pack<T, kRowTile>(static_cast<const T*>(a.data) + p * kRowTile * a.outer, a.outer, a.inner,
                          std::min(kRowTile, rows - p * kRowTile), inputs, packed_a + p * row_panel);
    } else {
      const int p = i - blocks;
      pack<T, kPanel>(static_cast<const T*>(b.data) + p * kPanel * b.outer, b.outer, b.inner,
                      std::min(kPanel, columns - p * kPanel), inputs, packed_b + p * panel);
    }
  });

  share(pool, blocks * panels, [&](int i) {
    const int first_tile = (i / panels) * kTilesOfBlock, p = i % panels;
    const int last_tile = std::min(row_panels, first_tile + kTilesOfBlock);
    alignas(64) float sums[kRowsOfBlock * kPanel];
    for (int begin = 0; begin < steps; begin += kStepsOfBlock) {
      const int count = std::min(kStepsOfBlock, steps - begin);
      for (int t = first_tile; t < last_tile; ++t)
        tile<P, kRowTile, kVectors>(
            count, packed_a + t * row_panel + static_cast<size_t>(begin) * kRowTile, 1, kRowTile,
            packed_b + p * panel + static_cast<size_t>(begin) * kPanel, kPanel,
            sums + (t - first_tile) * kRowTile * kPanel, kPanel, begin == 0);
    }
    const int first_row = first_tile * kRowTile, column = p * kPanel;
    const int end = std::min(rows, last_tile * kRowTile);
    for (int row = first_row; row < end; ++row)
      write(out + static_cast<size_t>(row) * columns + column, sums + (row - first_row) * kPanel,
            std::min(kPanel, columns - column));
  });
}

}  // namespace mt
