// The activations of a feed-forward layer, each with its gradient in one pass over memory. All
// computed in float32 and rounded once.
#pragma once

#include "rows.h"

namespace mt {

MT_INLINE Floats sigmoid(Floats x) { return broadcast(1.0f) / (exp(-x) + 1.0f); }

// The derivative of `gelu`, whose tanh form is x sigmoid(2 u).
MT_INLINE Floats gelu_slope(Floats x) {
  constexpr float kRoot = 0.7978845608028654f, kCube = 0.044715f;
  const Floats square = x * x;
  const Floats gate = sigmoid(x * (square * kCube + 1.0f) * (2.0f * kRoot));
  const Floats inner = (square * (3.0f * kCube) + 1.0f) * (2.0f * kRoot);
  return gate + x * gate * (1.0f - gate) * inner;
}

// y = gelu(x + bias), for a matrix of rows; no bias if it is null.
template <class T, class Pool>
void gelu(Pool& pool, int rows, int width, const T* x, const float* bias, T* y) {
  for_row_blocks(pool, rows, [&](int first, int last, int) {
    for (int row = first; row < last; ++row) {
      const size_t begin = static_cast<size_t>(row) * width;
      for_lanes(width, [&](int n, int count) {
        Floats sum = load_some(x + begin + n, count);
        if (bias) sum += load_some(bias + n, count);
        store_some(y + begin + n, gelu(sum), count);
      });
    }
  });
}

// The gradients of `gelu` with respect to x and, unless it is null, to the bias.
template <class T, class Pool>
void gelu_gradient(Pool& pool, int rows, int width, const T* x, const float* bias, const T* d_y,
                   T* d_x, float* d_bias) {
  RowSums<1> sums(d_bias ? width : 0);
  for_row_blocks(pool, rows, [&](int first, int last, int block) {
    float* totals = sums.start(block, 0);
    for (int row = first; row < last; ++row) {
      const size_t begin = static_cast<size_t>(row) * width;
      for_lanes(width, [&](int n, int count) {
        Floats sum = load_some(x + begin + n, count);
        if (bias) sum += load_some(bias + n, count);
        const Floats d = load_some(d_y + begin + n, count) * gelu_slope(sum);
        if (d_bias) store(totals + n, load(totals + n) + d);
        store_some(d_x + begin + n, d, count);
      });
    }
  });
  if (d_bias) sums.add_blocks(rows, 0, d_bias);
}

// y = silu(gate) * up
template <class T, class Pool>
void silu_product(Pool& pool, int rows, int width, const T* gate, const T* up, T* y) {
  for_row_blocks(pool, rows, [&](int first, int last, int) {
    const size_t begin = static_cast<size_t>(first) * width;
    for_lanes((last - first) * width, [&](int n, int count) {
      const Floats x = load_some(gate + begin + n, count);
      store_some(y + begin + n, silu(x) * load_some(up + begin + n, count), count);
    });
  });
}

template <class T, class Pool>
void silu_product_gradient(Pool& pool, int rows, int width, const T* gate, const T* up,
                           const T* d_y, T* d_gate, T* d_up) {
  for_row_blocks(pool, rows, [&](int first, int last, int) {
    const size_t begin = static_cast<size_t>(first) * width;
    for_lanes((last - first) * width, [&](int n, int count) {
      const Floats x = load_some(gate + begin + n, count);
      const Floats d = load_some(d_y + begin + n, count);
      const Floats s = sigmoid(x);
      const Floats slope = s + x * s * (1.0f - s);
      store_some(d_gate + begin + n, d * load_some(up + begin + n, count) * slope, count);
      store_some(d_up + begin + n, d * x * s, count);
    });
  });
}

}  // namespace mt
