// Causal attention and its gradient, block by block, so that the scores of a sequence never exist
// at once (Dao et al., FlashAttention, arXiv 2205.14135). Computed in float32 for all inputs.
//
// One thread copies the heads that share a key head of one sequence, works on them, and copies the
// results back. So the number of threads does not change a result.
#pragma once

#include "copy_row.h"
#include "parallel.h"
#include "tile.h"

namespace mt {

constexpr int kBlock = 48;  // queries in a block, and keys in a block
constexpr int kBlockVectors = kBlock / kLanes;
constexpr float kMinVisible = -1e20f;  // every score that is not masked is greater

struct AttentionShape {
  int rows, length, heads, kv_heads, head_dim;  // B T N K H
  int group() const { return heads / kv_heads; }
  int padded_head() const { return round_up(head_dim, kLanes); }
  int padded_length() const { return round_up(length, kBlock); }
  size_t head_words() const { return static_cast<size_t>(padded_head()) * padded_length(); }
};

// What a block of queries and a block of keys have to know of each other.
struct BlockPair {
  int query, key;            // the first position of each
  const int32_t* documents;  // of the sequence's positions; null for one document
};

// out[48][columns] (+)= a b, over `steps` inputs.
inline void block_matmul(int columns, int steps, RowWords a, const float* b, size_t b_stride,
                         Tile out) {
  const auto* b_words = reinterpret_cast<const uint32_t*>(b);
  for (int column = 0; column < columns;) {
    const int vectors = std::min(kTileVectors, (columns - column) / kLanes);
    with_constant<kTileVectors>(vectors, [&](auto v) {
      for (int row = 0; row < kBlock; row += kTileRows)
        tile_product<Precision::kFloat32, kTileRows, decltype(v)::value>(
            steps, a.from(row, 0), ColumnWords{b_words + column, b_stride},
            Tile{out.data + row * out.row_stride + column, out.row_stride, out.accumulate});
    });
    column += vectors * kLanes;
  }
}

inline RowWords rows_of(const float* matrix, size_t stride) {
  return {reinterpret_cast<const uint32_t*>(matrix), stride, 1};
}

// The rows of the transposed matrix.
inline RowWords columns_of(const float* matrix, size_t stride) {
  return {reinterpret_cast<const uint32_t*>(matrix), 1, stride};
}

// Copies one head of an array B T N H to [padded_length, padded_head], zeros in the padding, and to
// `transposed` as [head_dim, padded_length] unless that is null.
template <class T>
void load_head(const T* from, const AttentionShape& shape, int heads, int row, int head, float* to,
               float* transposed = nullptr) {
  const size_t padded = shape.padded_head(), length = shape.padded_length();
  std::memset(to, 0, sizeof(float) * shape.head_words());
  for (int t = 0; t < shape.length; ++t) {
    const size_t index = (static_cast<size_t>(row) * shape.length + t) * heads + head;
    copy_row(from + index * shape.head_dim, shape.head_dim, to + t * padded);
  }
  if (transposed == nullptr) return;
  for (size_t begin = 0; begin < length; begin += kLanes)
    for (int h = 0; h < shape.head_dim; ++h)
      for (size_t t = begin; t < begin + kLanes; ++t)
        transposed[h * length + t] = to[t * padded + h];
}

template <class T>
void store_head(const float* from, const AttentionShape& shape, int heads, int row, int head,
                T* to) {
  const size_t padded = shape.padded_head();
  for (int t = 0; t < shape.length; ++t) {
    const size_t index = (static_cast<size_t>(row) * shape.length + t) * heads + head;
    copy_row(from + t * padded, shape.head_dim, to + index * shape.head_dim);
  }
}

// Masks the scores of keys that a query must not see: later positions, and other documents.
inline void apply_mask(float* scores, const BlockPair& pair, const AttentionShape& shape) {
  if (pair.key != pair.query && pair.documents == nullptr) return;
  for (int i = 0; i < kBlock; ++i)
    for (int j = 0; j < kBlock; ++j) {
      const int q = pair.query + i, k = pair.key + j;
      const bool other_document = pair.documents != nullptr && q < shape.length &&
                                  k < shape.length && pair.documents[q] != pair.documents[k];
      if (k > q || other_document) scores[i * kBlock + j] = kMasked;
    }
}

// e^(score - shift); 0 where the score is masked.
MT_INLINE Floats exp_visible(Floats score, float shift) {
  const Ints visible = score > broadcast(kMinVisible);
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(exp(score - broadcast(shift))) & visible);
}

// Softmax over blocks of keys that come one after another, for a block of queries: the weights of
// earlier blocks are relative to the greatest score so far, and are scaled when that grows.
struct OnlineSoftmax {
  float greatest[kBlock];
  float total[kBlock];

  OnlineSoftmax() {
    std::fill(greatest, greatest + kBlock, kMasked);
    std::fill(total, total + kBlock, 0.0f);
  }

  // Replaces the scores of query r by weights. Returns the factor for the earlier blocks' weights.
  float add(int r, float* scores, float scale) {
    Floats x[kBlockVectors];
    Floats maxima = broadcast(greatest[r]);
    for (int n = 0; n < kBlockVectors; ++n) {
      x[n] = max(load(scores + n * kLanes) * scale, broadcast(kMasked));
      maxima = max(maxima, x[n]);
    }
    const float now = reduce_max(maxima);
    const float shrink = exp(broadcast(greatest[r] - now))[0];
    Floats weights = {};
    for (int n = 0; n < kBlockVectors; ++n) {
      const Floats w = exp_visible(x[n], now);
      weights += w;
      store(scores + n * kLanes, w);
    }
    total[r] = total[r] * shrink + reduce_sum(weights);
    greatest[r] = now;
    return shrink;
  }

  float logsumexp(int r) const { return greatest[r] + std::log(total[r]); }
};

// out B T N H, and the logsumexp of each query's scores, B N T.
template <class T, class Pool>
void attention(Pool& pool, const AttentionShape& shape, const T* query, const T* key,
               const T* value, const int32_t* documents, T* out, float* logsumexp) {
  const int head_dim = shape.head_dim, padded = shape.padded_head();
  const int length = shape.padded_length();
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  parallel_for(pool, shape.rows * shape.kv_heads, [&](int unit) {
    const int row = unit / shape.kv_heads, kv = unit % shape.kv_heads;
    const size_t words = shape.head_words();
    ScratchArrays<5> scratch({words, words, words, words, words});
    const auto [q, k, k_transposed, v, o] = scratch.template pointers<float>();
    load_head(key, shape, shape.kv_heads, row, kv, k, k_transposed);
    load_head(value, shape, shape.kv_heads, row, kv, v);
    const int32_t* row_documents =
        documents ? documents + static_cast<size_t>(row) * shape.length : nullptr;
    for (int head = kv * shape.group(); head < (kv + 1) * shape.group(); ++head) {
      load_head(query, shape, shape.heads, row, head, q);
      float* sums = logsumexp + (static_cast<size_t>(row) * shape.heads + head) * shape.length;
      for (int i = 0; i < length; i += kBlock) {
        alignas(64) float scores[kBlock * kBlock];
        OnlineSoftmax softmax;
        const float* queries = q + static_cast<size_t>(i) * padded;
        float* outputs = o + static_cast<size_t>(i) * padded;
        for (int j = 0; j <= i; j += kBlock) {
          block_matmul(kBlock, head_dim, rows_of(queries, padded), k_transposed + j, length,
                       Tile{scores, kBlock, false});
          apply_mask(scores, {i, j, row_documents}, shape);
          for (int r = 0; r < kBlock; ++r) {
            const float shrink = softmax.add(r, scores + r * kBlock, scale);
            if (j == 0 || shrink == 1.0f) continue;
            for (int h = 0; h < padded; h += kLanes)
              store(outputs + r * padded + h, load(outputs + r * padded + h) * shrink);
          }
          block_matmul(padded, kBlock, rows_of(scores, kBlock), v + static_cast<size_t>(j) * padded,
                       padded, Tile{outputs, static_cast<size_t>(padded), j > 0});
        }
        for (int r = 0; r < kBlock && i + r < shape.length; ++r) {
          for (int h = 0; h < padded; h += kLanes)
            store(outputs + r * padded + h,
                  load(outputs + r * padded + h) / broadcast(softmax.total[r]));
          sums[i + r] = softmax.logsumexp(r);
        }
      }
      store_head(o, shape, shape.heads, row, head, out);
    }
  });
}

// The gradients of `attention` with respect to its queries, keys and values.
template <class T, class Pool>
void attention_gradient(Pool& pool, const AttentionShape& shape, const T* query, const T* key,
                        const T* value, const int32_t* documents, const T* out,
                        const float* logsumexp, const T* d_out, T* d_query, T* d_key, T* d_value) {
  const int head_dim = shape.head_dim, length = shape.padded_length();
  const size_t padded = shape.padded_head();
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  parallel_for(pool, shape.rows * shape.kv_heads, [&](int unit) {
    const int row = unit / shape.kv_heads, kv = unit % shape.kv_heads;
    const size_t words = shape.head_words(), positions = length;
    ScratchArrays<12> scratch({words, words, words, words, words, words, words, words, words, words,
                               positions, positions});
    const auto [k, k_transposed, v, v_transposed, q, o, d_o, d_q, d_k, d_v, sums, means] =
        scratch.template pointers<float>();
    load_head(key, shape, shape.kv_heads, row, kv, k, k_transposed);
    load_head(value, shape, shape.kv_heads, row, kv, v, v_transposed);
    std::memset(d_k, 0, sizeof(float) * words);
    std::memset(d_v, 0, sizeof(float) * words);
    const int32_t* row_documents =
        documents ? documents + static_cast<size_t>(row) * shape.length : nullptr;
    for (int head = kv * shape.group(); head < (kv + 1) * shape.group(); ++head) {
      load_head(query, shape, shape.heads, row, head, q);
      load_head(out, shape, shape.heads, row, head, o);
      load_head(d_out, shape, shape.heads, row, head, d_o);
      std::memset(d_q, 0, sizeof(float) * words);
      std::memset(sums, 0, sizeof(float) * positions);
      std::memcpy(sums, logsumexp + (static_cast<size_t>(row) * shape.heads + head) * shape.length,
                  sizeof(float) * shape.length);
      for (size_t t = 0; t < positions; ++t) {
        Floats total = {};
        for (size_t h = 0; h < padded; h += kLanes)
          total += load(o + t * padded + h) * load(d_o + t * padded + h);
        means[t] = reduce_sum(total);
      }
      for (int j = 0; j < length; j += kBlock) {
        const size_t keys = j * padded;
        for (int i = j; i < length; i += kBlock) {
          alignas(64) float weights[kBlock * kBlock], changes[kBlock * kBlock];
          const size_t queries = i * padded;
          block_matmul(kBlock, head_dim, rows_of(q + queries, padded), k_transposed + j, positions,
                       Tile{weights, kBlock, false});
          block_matmul(kBlock, head_dim, rows_of(d_o + queries, padded), v_transposed + j,
                       positions, Tile{changes, kBlock, false});
          apply_mask(weights, {i, j, row_documents}, shape);
          for (int r = 0; r < kBlock; ++r)
            for (int n = r * kBlock; n < (r + 1) * kBlock; n += kLanes) {
              const Floats score = max(load(weights + n) * scale, broadcast(kMasked));
              const Floats p = exp_visible(score, sums[i + r]);
              store(weights + n, p);
              store(changes + n, p * (load(changes + n) - broadcast(means[i + r])) * scale);
            }
          block_matmul(static_cast<int>(padded), kBlock, columns_of(weights, kBlock), d_o + queries,
                       padded, Tile{d_v + keys, padded, true});
          block_matmul(static_cast<int>(padded), kBlock, columns_of(changes, kBlock), q + queries,
                       padded, Tile{d_k + keys, padded, true});
          block_matmul(static_cast<int>(padded), kBlock, rows_of(changes, kBlock), k + keys, padded,
                       Tile{d_q + queries, padded, true});
        }
      }
      store_head(d_q, shape, shape.heads, row, head, d_query);
    }
    store_head(d_k, shape, shape.kv_heads, row, kv, d_key);
    store_head(d_v, shape, shape.kv_heads, row, kv, d_value);
  });
}

}  // namespace mt
