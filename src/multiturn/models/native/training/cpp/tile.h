// A small product in registers, the piece that all the others are made of.
#pragma once

#include "../../cpp/product.h"

namespace mt {

// R rows times V vectors of columns, over `steps` words of four bytes: one float32 or two
// bfloat16 numbers. Word s of row r stands at a[r * a_row + s * a_step], the words of step s
// of the columns at b[s * b_step] on. The sums go to c, or are added to what is there.
template <Precision P, int R, int V>
MT_INLINE void tile(int steps, const uint32_t* a, size_t a_row, size_t a_step, const uint32_t* b,
                    size_t b_step, float* c, size_t c_row, bool first) {
  Floats sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sums[r][v] = first ? Floats{} : load(c + r * c_row + v * kLanes);
  for (int s = 0; s < steps; ++s) {
    const uint32_t* columns = b + s * b_step;
    const uint32_t* row = a + s * a_step;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v)
        sums[r][v] = Arithmetic<P>::add(sums[r][v], reinterpret_cast<const uint8_t*>(row + r * a_row),
                                        reinterpret_cast<const uint8_t*>(columns + v * kLanes));
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(c + r * c_row + v * kLanes, sums[r][v]);
}

}  // namespace mt
