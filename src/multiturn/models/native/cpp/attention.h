// Attention of a tile of queries to the blocks of one sequence's KV cache, in float32.
//
// Softmax goes through the blocks in the order of their positions and keeps a running maximum and
// sum (Milakov and Gimelshein, arXiv 1805.02867). Every block starts at a multiple of its size, so
// the sums of a query have one order, which depends on its own position alone: not on the queries
// that are computed with it, nor on how a text was cut.
#pragma once

#include <algorithm>

#include "kv_cache.h"

namespace mt {

constexpr int kQueryRows = 24;      // queries of a tile: tokens times the heads that share a KV head
constexpr int kProductRows = 6;     // rows of the products that are computed together
constexpr int kProductVectors = 4;  // vectors of the same
constexpr size_t kCacheLineBytes = 64;
constexpr int kMinWidenedRows = 12;  // from which on a block is converted to float32 once

// A tile of queries of one KV head, and the working memory for them.
struct QueryTile {
  QueryTile() = default;
  QueryTile(int head_dim, int padded_head)
      : queries(static_cast<size_t>(kQueryRows) * head_dim),
        sums(static_cast<size_t>(kQueryRows) * padded_head),
        scores(static_cast<size_t>(kQueryRows) * kBlockPositions),
        keys(static_cast<size_t>(kBlockPositions) * head_dim),
        values(static_cast<size_t>(kBlockPositions) * padded_head) {}

  int rows = 0;
  int counts[kQueryRows];        // positions that each query attends to; they never fall
  AlignedBuffer<float> queries;  // [row][dimension], times the scale of the scores
  AlignedBuffer<float> sums;     // [row][padded dimension]: weighted sums of values
  float maxima[kQueryRows], totals[kQueryRows];

  AlignedBuffer<float> scores;        // [row][position of the block]
  AlignedBuffer<float> keys, values;  // of a block, in float32
};

// A matrix whose element (k, column) is at data[k * step_stride + column / 16 * vector_stride +
// column % 16]; and what is read after it, which is fetched meanwhile: `ahead_lines` cache lines for
// each step. A walk through blocks has no long run of addresses that the processor could foresee.
template <class T>
struct Columns {
  const T* data;
  size_t step_stride, vector_stride;
  const T* ahead;  // may be null without lines
  int ahead_lines;
};

// out[r][v] (+)= sum over k of a[r][k] * columns[k][v], in the order of k.
template <int R, int V, bool kAccumulate, class T>
MT_INLINE void multiply_tile(const float* a, size_t a_stride, Columns<T> columns, int steps,
                             float* out, size_t out_stride) {
  Floats sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      sums[r][v] = kAccumulate ? load(out + r * out_stride + v * kLanes) : Floats{};
  const T* from = columns.data;
  for (int k = 0; k < steps; ++k, from += columns.step_stride) {
    for (int line = 0; line < columns.ahead_lines; ++line)
      __builtin_prefetch(reinterpret_cast<const char*>(columns.ahead) +
                         static_cast<size_t>(k * columns.ahead_lines + line) * kCacheLineBytes);
    Floats column[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) column[v] = load(from + v * columns.vector_stride);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Floats x = broadcast(a[r * a_stride + k]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[r][v] = fma(column[v], x, sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(out + r * out_stride + v * kLanes, sums[r][v]);
}

template <bool kAccumulate, class T>
void multiply(const float* a, size_t a_stride, int rows, Columns<T> columns, int vectors, int steps,
              float* out, size_t out_stride) {
  for (int v = 0; v < vectors; v += kProductVectors) {
    Columns<T> part = columns;
    part.data += v * columns.vector_stride;
    if (v > 0) part.ahead_lines = 0;
    with_constant<kProductVectors>(std::min(kProductVectors, vectors - v), [&](auto width) {
      for (int r = 0; r < rows; r += kProductRows) {
        if (r > 0) part.ahead_lines = 0;
        with_constant<kProductRows>(std::min(kProductRows, rows - r), [&](auto height) {
          multiply_tile<decltype(height)::value, decltype(width)::value, kAccumulate>(
              a + r * a_stride, a_stride, part, steps, out + r * out_stride + v * kLanes,
              out_stride);
        });
      }
    });
  }
}

// Turns the scores of one query with `count` positions of a block into weights relative to the
// greatest score so far, and rescales what was summed with an earlier one.
inline void softmax_block(float* scores, int count, float& maximum, float& total, float* sums,
                          int padded_head) {
  constexpr Floats kLane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Floats x[kBlockPanels], inside[kBlockPanels], maxima = broadcast(maximum);
#pragma GCC unroll 4
  for (int p = 0; p < kBlockPanels; ++p) {
    const Floats left = broadcast(static_cast<float>(count - p * kLanes));
    inside[p] = kLane < left ? broadcast(1.0f) : Floats{};
    x[p] = kLane < left ? load(scores + p * kLanes) : broadcast(kMasked);
    maxima = max(maxima, x[p]);
  }
  const float greatest = reduce_max(maxima);
  if (greatest != maximum) {
    const float factor = exp(broadcast(maximum - greatest))[0];
    total *= factor;
    for (int h = 0; h < padded_head; h += kLanes) store(sums + h, load(sums + h) * factor);
    maximum = greatest;
  }
  Floats added = {};
#pragma GCC unroll 4
  for (int p = 0; p < kBlockPanels; ++p) {
    const Floats weight = exp(x[p] - greatest) * inside[p];
    store(scores + p * kLanes, weight);
    added += weight;
  }
  total += reduce_sum(added);
}

template <class T>
MT_INLINE void widen(const T* from, size_t count, float* to) {
  for (size_t i = 0; i < count; i += kLanes) store(to + i, load(from + i));
}

// How many cache lines of `bytes` each of `steps` steps has to fetch.
inline int lines_a_step(size_t bytes, int steps) {
  return ceil_div(static_cast<int>(bytes / kCacheLineBytes), steps);
}

// The queries of a tile to one block, whose first position is `begin`. `next_keys` are read after
// it; null at the end.
template <class T>
void attend_block(QueryTile& tile, const T* keys, const T* values, const T* next_keys, int head_dim,
                  int padded_head, int begin) {
  // A later row attends to no fewer positions, so those that do not reach the block come first.
  int first = 0;
  while (tile.counts[first] <= begin) ++first;
  const int rows = tile.rows - first;
  const int count = std::min(kBlockPositions, tile.counts[tile.rows - 1] - begin);
  const size_t value_bytes = static_cast<size_t>(count) * padded_head * sizeof(T);
  const size_t key_bytes = static_cast<size_t>(kBlockPositions) * head_dim * sizeof(T);
  const float* queries = tile.queries.data() + static_cast<size_t>(first) * head_dim;
  float* scores = tile.scores.data();
  multiply<false>(queries, head_dim, rows,
                  Columns<T>{keys, kLanes, static_cast<size_t>(head_dim) * kLanes, values,
                             lines_a_step(value_bytes, head_dim)},
                  ceil_div(count, kLanes), head_dim, scores, kBlockPositions);
  float* sums = tile.sums.data() + static_cast<size_t>(first) * padded_head;
  for (int r = 0; r < rows; ++r)
    softmax_block(scores + r * kBlockPositions,
                  std::min(kBlockPositions, tile.counts[first + r] - begin),
                  tile.maxima[first + r], tile.totals[first + r], sums + r * padded_head,
                  padded_head);
  multiply<true>(scores, kBlockPositions, rows,
                 Columns<T>{values, static_cast<size_t>(padded_head), kLanes, next_keys,
                            next_keys ? lines_a_step(key_bytes, count) : 0},
                 padded_head / kLanes, count, sums, padded_head);
}

// All queries of a tile: tile.sums = the attention outputs. `blocks` has the addresses of the
// sequence's blocks; the keys and values of the head begin at the given elements of each.
template <class T>
void attend(QueryTile& tile, const uint64_t* blocks, size_t keys_at, size_t values_at, int head_dim,
            int padded_head) {
  const int end = tile.counts[tile.rows - 1];
  const bool widened = !std::is_same_v<T, float> && tile.rows >= kMinWidenedRows;
  std::fill_n(tile.maxima, tile.rows, kMasked);
  std::fill_n(tile.totals, tile.rows, 0.0f);
  std::fill_n(tile.sums.data(), static_cast<size_t>(tile.rows) * padded_head, 0.0f);
  for (int begin = 0; begin < end; begin += kBlockPositions) {
    const T* block = reinterpret_cast<const T*>(blocks[begin / kBlockPositions]);
    const T *keys = block + keys_at, *values = block + values_at;
    if (widened) {
      const size_t count = std::min(kBlockPositions, end - begin);
      widen(keys, static_cast<size_t>(round_up(count, kLanes)) * head_dim, tile.keys.data());
      widen(values, count * padded_head, tile.values.data());
      attend_block<float>(tile, tile.keys.data(), tile.values.data(), nullptr, head_dim,
                          padded_head, begin);
    } else {
      const int next = begin / kBlockPositions + 1;
      const T* next_keys = next * kBlockPositions < end
                               ? reinterpret_cast<const T*>(blocks[next]) + keys_at
                               : nullptr;
      attend_block<T>(tile, keys, values, next_keys, head_dim, padded_head, begin);
    }
  }
  for (int r = 0; r < tile.rows; ++r) {
    float* sums = tile.sums.data() + static_cast<size_t>(r) * padded_head;
    const float inverse = 1.0f / tile.totals[r];
    for (int h = 0; h < padded_head; h += kLanes) store(sums + h, load(sums + h) * inverse);
  }
}

}  // namespace mt
