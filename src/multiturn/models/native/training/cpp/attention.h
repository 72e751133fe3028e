// Causal attention and its gradient, block by block: the scores never stand whole (Dao et
// al., FlashAttention, arXiv 2205.14135). Computed in float32 whatever comes in.
//
// One head's part of a text is copied out, worked on by one thread, and copied back, so that
// a number never depends on how many threads there are.
#pragma once

#include "tile.h"
#include "work.h"

namespace mt {

constexpr int kBlock = 48;                     // queries, and keys, of a block
constexpr int kBlockVectors = kBlock / kLanes;

struct AttentionShape {
  int rows, length, heads, kv_heads, size;  // B T N K H
  int group() const { return heads / kv_heads; }
  int padded() const { return divide_up(size, kLanes) * kLanes; }   // of a head
  int places() const { return divide_up(length, kBlock) * kBlock; }  // of a text
};

// c[48][columns] (+)= a b: word s of row r of a at a[r * a_row + s * a_step].
inline void block_product(int columns, int steps, const float* a, size_t a_row, size_t a_step,
                          const float* b, size_t b_step, float* c, size_t c_row, bool first) {
  const auto* left = reinterpret_cast<const uint32_t*>(a);
  const auto* right = reinterpret_cast<const uint32_t*>(b);
  constexpr Precision kWide = Precision::kFloat32;
  for (int column = 0; column < columns;) {
    const int vectors = std::min(4, (columns - column) / kLanes);
    const int high = vectors == 4 ? 6 : 8;  // sums in 24 registers at most
    for (int row = 0; row < kBlock; row += high) {
      const uint32_t* from = left + row * a_row;
      float* to = c + row * c_row + column;
      switch (vectors) {
        case 1: tile<kWide, 8, 1>(steps, from, a_row, a_step, right + column, b_step, to, c_row, first); break;
        case 2: tile<kWide, 8, 2>(steps, from, a_row, a_step, right + column, b_step, to, c_row, first); break;
        case 3: tile<kWide, 8, 3>(steps, from, a_row, a_step, right + column, b_step, to, c_row, first); break;
        default: tile<kWide, 6, 4>(steps, from, a_row, a_step, right + column, b_step, to, c_row, first);
      }
    }
    column += vectors * kLanes;
  }
}

// One head of an array B T N H, as places x padded and, where asked for, as size x places.
template <class T>
void copy_head(const T* from, const AttentionShape& shape, int heads, int row, int head, float* to,
               float* turned) {
  const int padded = shape.padded(), places = shape.places();
  std::memset(to, 0, sizeof(float) * padded * places);
  for (int t = 0; t < shape.length; ++t) {
    const T* line = from + ((static_cast<size_t>(row) * shape.length + t) * heads + head) * shape.size;
    for (int h = 0; h < shape.size; ++h) to[static_cast<size_t>(t) * padded + h] = to_float(line[h]);
  }
  if (turned == nullptr) return;
  for (int begin = 0; begin < places; begin += kLanes)
    for (int h = 0; h < shape.size; ++h)
      for (int t = begin; t < begin + kLanes; ++t)
        turned[static_cast<size_t>(h) * places + t] = to[static_cast<size_t>(t) * padded + h];
}

inline void set(float& to, float x) { to = x; }
inline void set(Bfloat16& to, float x) { to = to_bfloat16(x); }

template <class T>
void put_head(const float* from, const AttentionShape& shape, int heads, int row, int head, T* to) {
  const int padded = shape.padded();
  for (int t = 0; t < shape.length; ++t) {
    T* line = to + ((static_cast<size_t>(row) * shape.length + t) * heads + head) * shape.size;
    for (int h = 0; h < shape.size; ++h) set(line[h], from[static_cast<size_t>(t) * padded + h]);
  }
}

// Puts the scores that a query may not see out of reach: later tokens, other documents.
inline void hide(float* scores, int query, int key, const AttentionShape& shape,
                 const int32_t* documents) {
  for (int i = 0; i < kBlock; ++i)
    for (int j = 0; j < kBlock; ++j) {
      const int q = query + i, k = key + j;
      const bool other = documents != nullptr && q < shape.length && k < shape.length &&
                         documents[q] != documents[k];
      if (k > q || other) scores[i * kBlock + j] = -1e30f;
    }
}

MT_INLINE Floats weight(Floats score, float shift) {
  const Ints there = score > splat(-1e20f);
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(exponential(score - splat(shift))) & there);
}

// out B T N H and the logarithm of each query's normalizer, B N T.
template <class T>
void attention(xla::ffi::ThreadPool& pool, const AttentionShape& shape, const T* query,
               const T* key, const T* value, const int32_t* documents, T* out, float* normalizer) {
  const int padded = shape.padded(), places = shape.places();
  const size_t head_words = static_cast<size_t>(padded) * places;
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.size));
  share(pool, shape.rows * shape.kv_heads, [&](int i) {
    const int row = i / shape.kv_heads, kv = i % shape.kv_heads;
    Scratch scratch(5 * head_words);
    float *q = scratch.floats(), *k = q + head_words, *turned = k + head_words,
          *v = turned + head_words, *o = v + head_words;
    copy_head(key, shape, shape.kv_heads, row, kv, k, turned);
    copy_head(value, shape, shape.kv_heads, row, kv, v, nullptr);
    const int32_t* mine = documents ? documents + static_cast<size_t>(row) * shape.length : nullptr;
    for (int head = kv * shape.group(); head < (kv + 1) * shape.group(); ++head) {
      copy_head(query, shape, shape.heads, row, head, q, nullptr);
      float* logs = normalizer + (static_cast<size_t>(row) * shape.heads + head) * shape.length;
      for (int first = 0; first < places; first += kBlock) {
        alignas(64) float scores[kBlock * kBlock];
        float most[kBlock], total[kBlock];
        std::fill(most, most + kBlock, -1e30f);
        std::fill(total, total + kBlock, 0.0f);
        float* sums = o + static_cast<size_t>(first) * padded;
        for (int j = 0; j <= first; j += kBlock) {
          block_product(kBlock, shape.size, q + static_cast<size_t>(first) * padded, padded, 1,
                        turned + j, places, scores, kBlock, true);
          if (j == first || mine) hide(scores, first, j, shape, mine);
          for (int r = 0; r < kBlock; ++r) {
            float* line = scores + r * kBlock;
            Floats seen[kBlockVectors];
            Floats highest = splat(most[r]);
            for (int n = 0; n < kBlockVectors; ++n) {
              seen[n] = load(line + n * kLanes);
              seen[n] = larger(seen[n] * scale, splat(-1e30f));
              highest = larger(highest, seen[n]);
            }
            const float now = maximum(highest);
            const float shrink = exponential(splat(most[r] - now))[0];
            Floats weights = {};
            for (int n = 0; n < kBlockVectors; ++n) {
              const Floats w = weight(seen[n], now);
              weights += w;
              store(line + n * kLanes, w);
            }
            total[r] = total[r] * shrink + sum(weights);
            most[r] = now;
            if (j > 0 && shrink != 1.0f)
              for (int h = 0; h < padded; h += kLanes)
                store(sums + r * padded + h, load(sums + r * padded + h) * shrink);
          }
          block_product(padded, kBlock, scores, kBlock, 1, v + static_cast<size_t>(j) * padded, padded,
                        sums, padded, j == 0);
        }
        for (int r = 0; r < kBlock && first + r < shape.length; ++r) {
          for (int h = 0; h < padded; h += kLanes)
            store(sums + r * padded + h, load(sums + r * padded + h) / splat(total[r]));
          logs[first + r] = most[r] + std::log(total[r]);
        }
      }
      put_head(o, shape, shape.heads, row, head, out);
    }
  });
}

// The gradients of `attention` with respect to what it reads.
template <class T>
void attention_gradient(xla::ffi::ThreadPool& pool, const AttentionShape& shape, const T* query,
                        const T* key, const T* value, const int32_t* documents, const T* out,
                        const float* normalizer, const T* d_out, T* d_query, T* d_key, T* d_value) {
  const int padded = shape.padded(), places = shape.places();
  const size_t head_words = static_cast<size_t>(padded) * places;
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.size));
  share(pool, shape.rows * shape.kv_heads, [&](int i) {
    const int row = i / shape.kv_heads, kv = i % shape.kv_heads;
    Scratch scratch(10 * head_words + 2 * places);
    float *k = scratch.floats(), *k_turned = k + head_words, *v = k_turned + head_words,
          *v_turned = v + head_words, *q = v_turned + head_words, *o = q + head_words,
          *d_o = o + head_words, *d_q = d_o + head_words, *d_k = d_q + head_words,
          *d_v = d_k + head_words, *logs = d_v + head_words, *means = logs + places;
    copy_head(key, shape, shape.kv_heads, row, kv, k, k_turned);
    copy_head(value, shape, shape.kv_heads, row, kv, v, v_turned);
    std::memset(d_k, 0, sizeof(float) * 2 * head_words);
    const int32_t* mine = documents ? documents + static_cast<size_t>(row) * shape.length : nullptr;
    for (int head = kv * shape.group(); head < (kv + 1) * shape.group(); ++head) {
      copy_head(query, shape, shape.heads, row, head, q, nullptr);
      copy_head(out, shape, shape.heads, row, head, o, nullptr);
      copy_head(d_out, shape, shape.heads, row, head, d_o, nullptr);
      std::memset(d_q, 0, sizeof(float) * head_words);
      std::memset(logs, 0, sizeof(float) * places);
      std::memcpy(logs, normalizer + (static_cast<size_t>(row) * shape.heads + head) * shape.length,
                  sizeof(float) * shape.length);
      for (int t = 0; t < places; ++t) {
        Floats total = {};
        for (int h = 0; h < padded; h += kLanes)
          total += load(o + static_cast<size_t>(t) * padded + h) *
                   load(d_o + static_cast<size_t>(t) * padded + h);
        means[t] = sum(total);
      }
      for (int j = 0; j < places; j += kBlock) {
        const float* keys = k + static_cast<size_t>(j) * padded;
        for (int first = j; first < places; first += kBlock) {
          alignas(64) float weights[kBlock * kBlock], changes[kBlock * kBlock];
          const size_t at = static_cast<size_t>(first) * padded;
          block_product(kBlock, shape.size, q + at, padded, 1, k_turned + j, places, weights, kBlock,
                        true);
          block_product(kBlock, shape.size, d_o + at, padded, 1, v_turned + j, places, changes,
                        kBlock, true);
          if (j == first || mine) hide(weights, first, j, shape, mine);
          for (int r = 0; r < kBlock; ++r)
            for (int n = 0; n < kBlock; n += kLanes) {
              float* w = weights + r * kBlock + n;
              float* d = changes + r * kBlock + n;
              const Floats p = weight(larger(load(w) * scale, splat(-1e30f)), logs[first + r]);
              store(w, p);
              store(d, p * (load(d) - splat(means[first + r])) * scale);
            }
          block_product(padded, kBlock, weights, 1, kBlock, d_o + at, padded,
                        d_v + static_cast<size_t>(j) * padded, padded, false);
          block_product(padded, kBlock, changes, 1, kBlock, q + at, padded,
                        d_k + static_cast<size_t>(j) * padded, padded, false);
          block_product(padded, kBlock, changes, kBlock, 1, keys, padded, d_q + at, padded, false);
        }
      }
      put_head(d_q, shape, shape.heads, row, head, d_query);
    }
    put_head(d_k, shape, shape.kv_heads, row, kv, d_key);
    put_head(d_v, shape, shape.kv_heads, row, kv, d_value);
  });
}

}  // namespace mt
