// The cross-entropy of logits and its gradient, in one pass over them.
//
//     loss = sum of weight * (logZ - logit of the target + z_loss * logZ^2)
#pragma once

#include "rows.h"

namespace mt {

// For each row of logits its cross-entropy and logZ, and the gradient of the loss with respect to
// the logits and, unless it is null, to the bias, which is added to the logits if it is not null.
// A target outside the vocabulary has no entropy: NaN. So has a row with a NaN or an infinity.
template <class T, class Pool>
void cross_entropy(Pool& pool, int rows, int vocab, const float* logits, const float* bias,
                   const int32_t* targets, const float* weights, float z_loss, float* entropies,
                   float* log_z, T* d_logits, float* d_bias) {
  RowSums<1> sums(d_bias ? vocab : 0);
  for_row_blocks(pool, rows, [&](int first, int last, int block) {
    float* totals = sums.start(block, 0);
    ScratchArrays<1> scratch({static_cast<size_t>(round_up(vocab, kLanes))});
    const auto [values] = scratch.template pointers<float>();
    for (int row = first; row < last; ++row) {
      const size_t begin = static_cast<size_t>(row) * vocab;
      const int target = targets[row];
      const bool known = 0 <= target && target < vocab;
      Floats greatest = broadcast(kMasked), invalid = {};
      for_lanes(vocab, [&](int n, int count) {
        Floats x = load_some(logits + begin + n, count);
        if (bias) x += load_some(bias + n, count);
        invalid += x * 0.0f;  // comparisons lose a NaN
        for (int lane = count; lane < kLanes; ++lane) x[lane] = kMasked;
        store(values + n, x);
        greatest = max(greatest, x);
      });
      const float shift = reduce_max(greatest);
      const float logit = known ? values[target] : std::nanf("");
      Floats total = {};
      for_lanes(vocab, [&](int n, int count) {
        const Floats p = first_lanes(exp(load(values + n) - shift), count);
        store(values + n, p);
        total += p;
      });
      const float sum = reduce_sum(total), weight = weights[row];
      log_z[row] = shift + std::log(sum) + reduce_sum(invalid);
      entropies[row] = log_z[row] - logit;
      // d entropy / d logits = p - onehot;  d logZ^2 / d logits = 2 logZ p.
      const float scale = weight * (1.0f + 2.0f * z_loss * log_z[row]) / sum;
      for_lanes(vocab, [&](int n, int) { store(values + n, load(values + n) * scale); });
      if (known) values[target] -= weight;
      for_lanes(vocab, [&](int n, int count) {
        const Floats d = load(values + n);
        if (d_bias) store(totals + n, load(totals + n) + d);
        store_some(d_logits + begin + n, d, count);
      });
    }
  });
  if (d_bias) sums.add_blocks(rows, 0, d_bias);
}

}  // namespace mt
