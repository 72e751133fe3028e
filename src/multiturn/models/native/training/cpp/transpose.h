// Rows and columns of words change places in registers, which saves a store for each word.
#pragma once

#include "../../cpp/vectors.h"

namespace mt {

typedef uint32_t WordSquare[kLanes][kLanes];

// At each stage, half of a row's words change places with those of the row `distance` further on.
MT_INLINE void transpose(WordSquare& square) {
  auto* rows = reinterpret_cast<Words*>(square);
#pragma GCC unroll 4
  for (int distance = 1; distance < kLanes; distance *= 2) {
    Words upper, lower;
#pragma GCC unroll 16
    for (int lane = 0; lane < kLanes; ++lane) {
      const bool swapped = (lane & distance) != 0;
      upper[lane] = swapped ? lane - distance + kLanes : lane;
      lower[lane] = swapped ? lane + kLanes : lane + distance;
    }
#pragma GCC unroll 16
    for (int row = 0; row < kLanes; ++row) {
      if ((row & distance) != 0) continue;
      const Words a = rows[row], b = rows[row + distance];
      rows[row] = __builtin_shuffle(a, b, upper);
      rows[row + distance] = __builtin_shuffle(a, b, lower);
    }
  }
}

}  // namespace mt
