// Attention of one token to the keys and values of its row, in float32.
//
// Keys and values of one head follow one another by position, each filled up with zeros to
// whole vectors. What is computed for a token depends on its own position alone.
#pragma once

#include <algorithm>

#include "vectors.h"

namespace mt {

constexpr int kHeadsAtOnce = 4;
constexpr int kVectorsAtOnce = 4;

// The lower halves of a and b side by side, plus the upper halves side by side, where the
// vectors are cut in 2 (kParts = 1), 4, 8 and 16 parts.
template <int kParts>
MT_INLINE Floats folded(Floats a, Floats b) {
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
           __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29,
                                   31);
}

// Where vector s has to stand for its sum to come out in lane s: its four bits backwards.
constexpr int kPlace[kLanes] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};

// The sums of sixteen vectors, placed by kPlace, in one.
MT_INLINE Floats sums_of(Floats* x) {
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) x[i] = folded<1>(x[i], x[i + 8]);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) x[i] = folded<2>(x[i], x[i + 4]);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) x[i] = folded<4>(x[i], x[i + 2]);
  return folded<8>(x[0], x[1]);
}

// scores[g][s] = query g . key s, for the positions of whole blocks of 16 up to `count`;
// keys at and beyond `count` are not read.
template <int G, class Number>
void score(const float* query, size_t query_pitch, const Number* keys, int vectors, int count,
           float* scores, size_t score_pitch) {
  const int size = vectors * kLanes;
  for (int block = 0; block < count; block += kLanes) {
    Floats parts[G][kLanes];
    const int here = std::min(kLanes, count - block);
    for (int s = 0; s < here; ++s) {
      const Number* key = keys + static_cast<size_t>(block + s) * size;
      Floats sums[G] = {};
      for (int v = 0; v < vectors; ++v) {
        const Floats k = load(key + v * kLanes);
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) 
          sums[g] = fused(k, load(query + g * query_pitch + v * kLanes), sums[g]);
      }
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) parts[g][kPlace[s]] = sums[g];
    }
    for (int s = here; s < kLanes; ++s)
      for (int g = 0; g < G; ++g) parts[g][kPlace[s]] = Floats{};
    for (int g = 0; g < G; ++g) store(scores + g * score_pitch + block, sums_of(parts[g]));
  }
}

// Scores to weights that sum to 1; those from `count` to the block's end become 0.
inline void softmax(float* scores, int count, float scale) {
  const int whole = (count + kLanes - 1) / kLanes * kLanes;
  for (int s = count; s < whole; ++s) scores[s] = -1e30f;
  Floats most = splat(-1e30f);
  for (int s = 0; s < whole; s += kLanes) {
    const Floats x = load(scores + s) * scale;
    store(scores + s, x);
    most = larger(most, x);
  }
  const float top = maximum(most);
  Floats total = {};
  for (int s = 0; s < whole; s += kLanes) {
    Floats x = exponential(load(scores + s) - top);
    if (s + kLanes > count)
      for (int lane = 0; lane < kLanes; ++lane)
        if (s + lane >= count) x[lane] = 0;
    store(scores + s, x);
    total += x;
  }
  const float inverse = 1.0f / sum(total);
  for (int s = 0; s < whole; s += kLanes) store(scores + s, load(scores + s) * inverse);
}

// mixed[g] = sum over s of weights[g][s] * value s, for V vectors of the values.
template <int G, int V, class Number>
void mix(const float* weights, size_t weight_pitch, const Number* values, int size, int count,
         float* mixed, size_t mixed_pitch) {
  Floats sums[G][V] = {};
  for (int s = 0; s < count; ++s) {
    Floats value[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) value[v] = load(values + static_cast<size_t>(s) * size + v * kLanes);
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) 
        sums[g][v] = fused(value[v], weights[g * weight_pitch + s], sums[g][v]);
  }
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(mixed + g * mixed_pitch + v * kLanes, sums[g][v]);
}

template <int G, class Number>
void attend_heads(const float* query, const Number* keys, const Number* values, int vectors,
                  int count, float scale, float* scores, size_t score_pitch, float* mixed) {
  const int size = vectors * kLanes;
  score<G>(query, size, keys, vectors, count, scores, score_pitch);
  for (int g = 0; g < G; ++g) softmax(scores + g * score_pitch, count, scale);
  for (int v = 0; v < vectors; v += kVectorsAtOnce) {
    const Number* from = values + v * kLanes;
    float* to = mixed + v * kLanes;
    switch (std::min(kVectorsAtOnce, vectors - v)) {
      case 1: mix<G, 1>(scores, score_pitch, from, size, count, to, size); break;
      case 2: mix<G, 2>(scores, score_pitch, from, size, count, to, size); break;
      case 3: mix<G, 3>(scores, score_pitch, from, size, count, to, size); break;
      default: mix<G, 4>(scores, score_pitch, from, size, count, to, size); break;
    }
  }
}

// The query heads that share one key head: `heads` of them, each `vectors` vectors long in
// `query` and `mixed`, over the first `count` positions. `scores` is room for kHeadsAtOnce
// times `score_pitch` numbers.
template <class Number>
void attend(const float* query, int heads, const Number* keys, const Number* values, int vectors,
            int count, float scale, float* scores, size_t score_pitch, float* mixed) {
  const size_t size = static_cast<size_t>(vectors) * kLanes;
  for (int head = 0; head < heads; head += kHeadsAtOnce) {
    const float* q = query + head * size;
    float* out = mixed + head * size;
    switch (std::min(kHeadsAtOnce, heads - head)) {
      case 1: attend_heads<1>(q, keys, values, vectors, count, scale, scores, score_pitch, out); break;
      case 2: attend_heads<2>(q, keys, values, vectors, count, scale, scores, score_pitch, out); break;
      case 3: attend_heads<3>(q, keys, values, vectors, count, scale, scores, score_pitch, out); break;
      default: attend_heads<4>(q, keys, values, vectors, count, scale, scores, score_pitch, out); break;
    }
  }
}

}  // namespace mt
