// Rows and columns of words change places in registers, which saves a store for each word.
#pragma once

#include <utility>

#include "../../cpp/vectors.h"

namespace mt {

typedef uint32_t WordSquare[kLanes][kLanes];

// The lanes of a row change places with those of the row Distance further on: of each two groups
// of Distance lanes, the second with the first.
template <int Distance, size_t... Lane>
MT_INLINE void swap_lanes(Words* rows, std::index_sequence<Lane...>) {
#pragma GCC unroll 16
  for (int row = 0; row < kLanes; ++row) {
    if ((row & Distance) != 0) continue;
    const Words a = rows[row], b = rows[row + Distance];
    rows[row] =
        __builtin_shufflevector(a, b, (Lane & Distance ? Lane - Distance + kLanes : Lane)...);
    rows[row + Distance] =
        __builtin_shufflevector(a, b, (Lane & Distance ? Lane + kLanes : Lane + Distance)...);
  }
}

MT_INLINE void transpose(WordSquare& square) {
  auto* rows = reinterpret_cast<Words*>(square);
  constexpr std::make_index_sequence<kLanes> kEvery;
  swap_lanes<1>(rows, kEvery);
  swap_lanes<2>(rows, kEvery);
  swap_lanes<4>(rows, kEvery);
  swap_lanes<8>(rows, kEvery);
}

}  // namespace mt
