// Rotary position embedding: each pair among the first dimensions of a head is rotated by an angle.
#pragma once

#include "rows.h"

namespace mt {

struct RopeShape {
  int rows, length, heads, head_dim;  // B T N H
  int size;                           // how many dimensions are rotated, an even number
  bool interleaved;                   // pairs are neighbours, otherwise of two halves
};

// y B T N H from x B T N H. The cosines and sines are of each position and pair. `sign` is 1, or -1
// to rotate backwards, which is the gradient.
template <class T, class Pool>
void rope(Pool& pool, const RopeShape& shape, float sign, const T* x, const float* cosines,
          const float* sines, T* y) {
  const int half = shape.size / 2, width = shape.heads * shape.head_dim;
  const int stride = shape.interleaved ? 2 : 1, other = shape.interleaved ? 1 : half;
  for_row_blocks(pool, shape.rows * shape.length, [&](int first, int last, int) {
    ScratchArrays<1> scratch({static_cast<size_t>(width)});
    const auto [values] = scratch.template pointers<float>();
    for (int row = first; row < last; ++row) {
      const size_t begin = static_cast<size_t>(row) * width;
      const size_t angle = static_cast<size_t>(row % shape.length) * half;
      copy_row(x + begin, width, values);
      for (int head = 0; head < shape.heads; ++head) {
        float* at = values + head * shape.head_dim;
        for (int i = 0; i < half; ++i) {
          const float a = at[i * stride], b = at[i * stride + other];
          const float c = cosines[angle + i], s = sines[angle + i] * sign;
          at[i * stride] = a * c - b * s;
          at[i * stride + other] = b * c + a * s;
        }
      }
      copy_row(values, width, y + begin);
    }
  });
}

}  // namespace mt
