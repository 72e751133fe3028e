// LayerNorm and RMSNorm with their gradients, computed in float32 and rounded once.
#pragma once

#include "rows.h"

namespace mt {

// What a norm does besides scaling: LayerNorm subtracts the mean of a row first.
struct NormKind {
  bool center;
  float epsilon;
};

// y = (x - mean) / deviation * scale + bias for each row; no bias if it is null. The mean (0
// without centring) and the inverse of the deviation of each row are for the gradient.
template <class T, class Pool>
void norm(Pool& pool, int rows, int width, const NormKind& kind, const T* x, const float* scale,
          const float* bias, T* y, float* means, float* inverses) {
  for_row_blocks(pool, rows, [&](int first, int last, int) {
    for (int row = first; row < last; ++row) {
      const T* from = x + static_cast<size_t>(row) * width;
      T* to = y + static_cast<size_t>(row) * width;
      Floats total = {}, squares = {};
      if (kind.center)
        for_lanes(width, [&](int n, int count) { total += load_some(from + n, count); });
      const float mean = reduce_sum(total) / static_cast<float>(width);
      for_lanes(width, [&](int n, int count) {
        const Floats d = first_lanes(load_some(from + n, count) - mean, count);
        squares += d * d;
      });
      const float variance = reduce_sum(squares) / static_cast<float>(width);
      const float inverse = 1.0f / std::sqrt(variance + kind.epsilon);
      for_lanes(width, [&](int n, int count) {
        Floats z = (load_some(from + n, count) - mean) * inverse * load_some(scale + n, count);
        if (bias) z += load_some(bias + n, count);
        store_some(to + n, z, count);
      });
      means[row] = mean;
      inverses[row] = inverse;
    }
  });
}

// The gradients of `norm` with respect to x, the scale and, unless it is null, the bias.
template <class T, class Pool>
void norm_gradient(Pool& pool, int rows, int width, bool center, const T* x, const float* scale,
                   const float* means, const float* inverses, const T* d_y, T* d_x, float* d_scale,
                   float* d_bias) {
  RowSums<2> sums(width);
  for_row_blocks(pool, rows, [&](int first, int last, int block) {
    float* scales = sums.start(block, 0);
    float* biases = sums.start(block, 1);
    for (int row = first; row < last; ++row) {
      const size_t begin = static_cast<size_t>(row) * width;
      const float mean = means[row], inverse = inverses[row];
      // The row's normalized value z, and the gradient d of z.
      const auto normalized = [&](int n, int count) {
        return first_lanes((load_some(x + begin + n, count) - mean) * inverse, count);
      };
      Floats total = {}, products = {};
      for_lanes(width, [&](int n, int count) {
        const Floats given = load_some(d_y + begin + n, count);
        const Floats z = normalized(n, count), d = given * load_some(scale + n, count);
        store(scales + n, load(scales + n) + given * z);
        store(biases + n, load(biases + n) + given);
        total += d;
        products += d * z;
      });
      const float along = reduce_sum(products) / static_cast<float>(width);
      const float shift = center ? reduce_sum(total) / static_cast<float>(width) : 0.0f;
      for_lanes(width, [&](int n, int count) {
        const Floats d = load_some(d_y + begin + n, count) * load_some(scale + n, count);
        store_some(d_x + begin + n, (d - shift - normalized(n, count) * along) * inverse, count);
      });
    }
  });
  sums.add_blocks(rows, 0, d_scale);
  if (d_bias) sums.add_blocks(rows, 1, d_bias);
}

}  // namespace mt
