// Attention of one token to the keys and values of its sequence, in float32.
//
// The keys of one head are stored position after position, each padded with zeros to full vectors;
// so are the values. The result for a token depends on its own position alone.
#pragma once

#include <algorithm>

#include "vectors.h"

namespace mt {

constexpr int kMaxHeadTile = 4;    // query heads that are computed together
constexpr int kMaxVectorTile = 4;  // vectors of a value that are summed together

// One step of a transposing reduction. Both vectors are cut into 2 * kParts parts. The result has
// the sums of neighbouring parts: first those of a, then those of b, as wide as the parts.
template <int kParts>
MT_INLINE Floats transpose_reduce(Floats a, Floats b) {
  if constexpr (kParts == 1)
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30,
                                   31);
  else if constexpr (kParts == 2)
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30,
                                   31);
  else if constexpr (kParts == 4)
    return __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
           __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30,
                                   31);
  else
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                   30) +
           __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

// Vector s has to be at index kBitReversed[s] for its sum to come out in lane s.
constexpr int kBitReversed[kLanes] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};

// The sums of sixteen vectors, as the lanes of one. Overwrites `x`.
MT_INLINE Floats transpose_reduce(Floats* x) {
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) x[i] = transpose_reduce<1>(x[i], x[i + 8]);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) x[i] = transpose_reduce<2>(x[i], x[i + 4]);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) x[i] = transpose_reduce<4>(x[i], x[i + 2]);
  return transpose_reduce<8>(x[0], x[1]);
}

// scores[g][s] = query g . key s, for `count` keys; the scores up to the next multiple of 16 are
// written too. Keys at `count` and beyond are not read.
template <int G, class T>
void dot_keys(const float* queries, const T* keys, int vectors, int count, float* scores,
              size_t score_stride) {
  const int head = vectors * kLanes;
  for (int block = 0; block < count; block += kLanes) {
    Floats partial[G][kLanes];
    const int block_size = std::min(kLanes, count - block);
    for (int s = 0; s < block_size; ++s) {
      const T* key = keys + static_cast<size_t>(block + s) * head;
      Floats sums[G] = {};
      for (int v = 0; v < vectors; ++v) {
        const Floats k = load(key + v * kLanes);
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g)
          sums[g] = fma(k, load(queries + g * head + v * kLanes), sums[g]);
      }
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) partial[g][kBitReversed[s]] = sums[g];
    }
    for (int s = block_size; s < kLanes; ++s)
      for (int g = 0; g < G; ++g) partial[g][kBitReversed[s]] = Floats{};
    for (int g = 0; g < G; ++g)
      store(scores + g * score_stride + block, transpose_reduce(partial[g]));
  }
}

// Replaces scores by weights that sum to 1; those from `count` to the next multiple of 16 become 0.
inline void softmax(float* scores, int count, float scale) {
  const int padded = round_up(count, kLanes);
  for (int s = count; s < padded; ++s) scores[s] = kMasked;
  Floats maxima = broadcast(kMasked);
  for (int s = 0; s < padded; s += kLanes) {
    const Floats x = load(scores + s) * scale;
    store(scores + s, x);
    maxima = max(maxima, x);
  }
  const float greatest = reduce_max(maxima);
  Floats total = {};
  for (int s = 0; s < padded; s += kLanes) {
    Floats x = exp(load(scores + s) - greatest);
    if (s + kLanes > count)
      for (int lane = 0; lane < kLanes; ++lane)
        if (s + lane >= count) x[lane] = 0;
    store(scores + s, x);
    total += x;
  }
  const float inverse = 1.0f / reduce_sum(total);
  for (int s = 0; s < padded; s += kLanes) store(scores + s, load(scores + s) * inverse);
}

// out[g] = sum over s of weights[g][s] * value s, for V vectors of each value.
template <int G, int V, class T>
void weighted_sum(const float* weights, size_t weight_stride, const T* values, int head, int count,
                  float* out) {
  Floats sums[G][V] = {};
  for (int s = 0; s < count; ++s) {
    Floats value[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      value[v] = load(values + static_cast<size_t>(s) * head + v * kLanes);
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        sums[g][v] = fma(value[v], weights[g * weight_stride + s], sums[g][v]);
  }
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(out + g * head + v * kLanes, sums[g][v]);
}

// G query heads that share one key head; see `attend`.
template <int G, class T>
void attend_heads(const float* queries, const T* keys, const T* values, int vectors, int count,
                  float scale, float* scores, size_t score_stride, float* out) {
  const int head = vectors * kLanes;
  dot_keys<G>(queries, keys, vectors, count, scores, score_stride);
  for (int g = 0; g < G; ++g) softmax(scores + g * score_stride, count, scale);
  for (int v = 0; v < vectors; v += kMaxVectorTile)
    with_constant<kMaxVectorTile>(std::min(kMaxVectorTile, vectors - v), [&](auto tile) {
      weighted_sum<G, decltype(tile)::value>(scores, score_stride, values + v * kLanes, head, count,
                                             out + v * kLanes);
    });
}

// The `heads` query heads that share one key head, over the first `count` positions. Each head has
// `vectors` vectors in `queries` and `out`, which may be the same array. `scores` is working memory
// of kMaxHeadTile times `score_stride` floats.
template <class T>
void attend(const float* queries, int heads, const T* keys, const T* values, int vectors, int count,
            float scale, float* scores, size_t score_stride, float* out) {
  const size_t size = static_cast<size_t>(vectors) * kLanes;
  for (int head = 0; head < heads; head += kMaxHeadTile)
    with_constant<kMaxHeadTile>(std::min(kMaxHeadTile, heads - head), [&](auto tile) {
      attend_heads<decltype(tile)::value>(queries + head * size, keys, values, vectors, count,
                                          scale, scores, score_stride, out + head * size);
    });
}

}  // namespace mt
