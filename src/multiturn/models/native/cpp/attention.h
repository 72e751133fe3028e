// Attention of a tile of queries to the blocks of one sequence's KV cache.
//
// Softmax goes through the blocks in the order of their positions and keeps a running maximum and
// sum (Milakov and Gimelshein, arXiv 1805.02867). Every block starts at a multiple of its size, so
// the sums of a query have one order, which depends on its own position alone: not on the queries
// that are computed with it, nor on how a text was cut.
//
// With a bfloat16 cache, queries and weights are rounded to bfloat16 too. A product then sums
// groups of 32 inputs as AMX does, and has the same bits on every processor that rounds a
// multiplication and addition once: the even inputs in one float32 chain, the odd ones in another,
// and their sum is added to the result.
#pragma once

#include <algorithm>
#include <optional>

#include "int8_amx.h"
#include "kv_cache.h"

#if defined(MT_AMX) && defined(__AMX_BF16__)
#define MT_AMX_ATTENTION 1
#endif

namespace mt {

constexpr int kQueryRows = 32;  // queries of a tile: tokens times the heads that share a KV head
constexpr int kMinWidenedRows = 12;  // from which on a block is converted to float32 once
constexpr size_t kCacheLineBytes = 64;
constexpr int kGroupPairs = kAttentionGroup / 2;

// Rows and native vectors of the products that are computed together; each takes two registers.
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int kProductRows = 3, kProductVectors = 4;  // of 32 registers
#else
constexpr int kProductRows = 3, kProductVectors = 2;  // of 16
#endif

// A tile of queries of one KV head, and the working memory for them.
struct QueryTile {
  QueryTile() = default;
  explicit QueryTile(const BlockLayout& layout)
      : queries(static_cast<size_t>(kQueryRows) * layout.padded_key),
        sums(static_cast<size_t>(kQueryRows) * layout.padded_head),
        scores(static_cast<size_t>(kQueryRows) * kBlockPositions),
        keys(layout.key_count()),
        values(layout.value_count()),
        narrow_queries(queries.size()),
        narrow_weights(scores.size()) {}

  int rows = 0;
  int counts[kQueryRows];        // positions that each query attends to; they never fall
  AlignedBuffer<float> queries;  // [row][padded dimension], times the scale of the scores
  AlignedBuffer<float> sums;     // [row][padded dimension]: weighted sums of values
  float maxima[kQueryRows];
  float totals[kQueryRows][kLanes];  // sums of weights, by lanes

  AlignedBuffer<float> scores;        // [row][position of the block]; then the weights
  AlignedBuffer<float> keys, values;  // of a block, in float32
  AlignedBuffer<Bfloat16> narrow_queries, narrow_weights;  // for AMX
};

// A matrix, laid out as the keys and values of a block: `vector_stride` elements from one vector of
// columns to the next, and `pair_stride` from one pair of inputs. What is read after it is fetched
// meanwhile, `ahead_lines` cache lines for each pair: a walk through blocks has no long run of
// addresses that the processor could foresee.
template <class T>
struct Columns {
  const T* data;
  size_t pair_stride, vector_stride;
  const T* ahead;  // may be null without lines
  int ahead_lines;
};

// The two inputs of a pair, for a native vector of columns.
MT_INLINE NativeFloats load_even(const Columns<float>&, const float* pair) {
  return *reinterpret_cast<const NativeFloats*>(pair);
}
MT_INLINE NativeFloats load_odd(const Columns<float>& columns, const float* pair) {
  return *reinterpret_cast<const NativeFloats*>(pair + columns.pair_stride / 2);
}
MT_INLINE NativeFloats load_even(const Columns<Bfloat16>&, const Bfloat16* pair) {
  return reinterpret_cast<NativeFloats>(*reinterpret_cast<const NativeWords*>(pair) << 16);
}
MT_INLINE NativeFloats load_odd(const Columns<Bfloat16>&, const Bfloat16* pair) {
  return reinterpret_cast<NativeFloats>(*reinterpret_cast<const NativeWords*>(pair) & 0xffff0000u);
}

// Where a native vector of columns begins.
template <class T>
MT_INLINE const T* column_at(const Columns<T>& columns, int vector) {
  constexpr int kParts = kLanes / kNativeLanes;
  constexpr int kPair = std::is_same_v<T, float> ? 1 : 2;
  return columns.data + vector / kParts * columns.vector_stride +
         vector % kParts * kNativeLanes * kPair;
}

// out[r][v] += sum over k of a[r][k] * columns[k][v], for full groups of k and native vectors
// [vector, vector + V).
template <int R, int V, class T>
MT_INLINE void multiply_tile(const float* a, size_t a_stride, const Columns<T>& columns, int vector,
                             int groups, float* out, size_t out_stride) {
  const T* from[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) from[v] = column_at(columns, vector + v);
  out += vector * kNativeLanes;
  const char* ahead = reinterpret_cast<const char*>(columns.ahead);
  for (int group = 0; group < groups; ++group) {
    NativeFloats even[R][V] = {}, odd[R][V] = {};
    for (int pair = 0; pair < kGroupPairs; ++pair, a += 2) {
      for (int line = 0; line < columns.ahead_lines; ++line, ahead += kCacheLineBytes)
        __builtin_prefetch(ahead);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        const auto first = load_even(columns, from[v]);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
          even[r][v] = fused(first, NativeFloats{} + a[r * a_stride], even[r][v]);
        const auto second = load_odd(columns, from[v]);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
          odd[r][v] = fused(second, NativeFloats{} + a[r * a_stride + 1], odd[r][v]);
        from[v] += columns.pair_stride;
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        auto* to = reinterpret_cast<NativeFloats*>(out + r * out_stride + v * kNativeLanes);
        *to = *to + (even[r][v] + odd[r][v]);
      }
  }
}

// The same for `vectors` vectors of sixteen columns.
template <class T>
void multiply(const float* a, size_t a_stride, int rows, Columns<T> columns, int vectors,
              int groups, float* out, size_t out_stride) {
  const int count = vectors * (kLanes / kNativeLanes);
  for (int v = 0; v < count; v += kProductVectors)
    with_constant<kProductVectors>(std::min(kProductVectors, count - v), [&](auto width) {
      for (int r = 0; r < rows; r += kProductRows) {
        with_constant<kProductRows>(std::min(kProductRows, rows - r), [&](auto height) {
          multiply_tile<decltype(height)::value, decltype(width)::value>(
              a + r * a_stride, a_stride, columns, v, groups, out + r * out_stride, out_stride);
        });
        columns.ahead_lines = 0;  // once is enough
      }
    });
}

// 2^x for x from -126 to 0 (below, it has no meaning), to one part in 10^8, or in 10^4 where a
// rounding to bfloat16 follows.
template <bool kNarrow>
MT_INLINE Floats power_of_two(Floats x) {
  constexpr float kMagic = 12582912.0f;  // adding it leaves no bits for a fraction
  const Floats shifted = x + kMagic;
  const Floats f = x - (shifted - kMagic);
  Floats y;
  if constexpr (kNarrow) {
    y = fma(broadcast(0.05517149299f), f, broadcast(0.2426111087f));
    y = fma(y, f, broadcast(0.693261018f));
    y = fma(y, f, broadcast(0.9999280752f));
  } else {
    y = fma(broadcast(0.0001534579452f), f, broadcast(0.001339993108f));
    y = fma(y, f, broadcast(0.009618489022f));
    y = fma(y, f, broadcast(0.05550328777f));
    y = fma(y, f, broadcast(0.2402264689f));
    y = fma(y, f, broadcast(0.6931472057f));
    y = fma(y, f, broadcast(1.0f));
  }
  return reinterpret_cast<Floats>(reinterpret_cast<Words>(y) +
                                  (reinterpret_cast<Words>(shifted) << 23));
}

// Rounds to bfloat16, to nearest with ties to even; there is no NaN.
MT_INLINE Words rounded_bits(Floats x) {
  const Words bits = reinterpret_cast<Words>(x);
  return bits + 0x7fff + ((bits >> 16) & 1);
}

// Turns the scores of one query with `count` positions of a block into weights relative to the
// greatest score so far, and rescales what was summed with an earlier one. The weights replace the
// scores, or go to `narrow` if that is not null.
template <bool kNarrow>
MT_INLINE void softmax_block(float* scores, int count, float& maximum, float* total, float* sums,
                             int padded_head, Bfloat16* narrow) {
  constexpr Floats kLane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  constexpr float kNothing = -100.0f;  // 2^-100 beside 1 changes no sum
  Floats x[kBlockPanels], maxima = broadcast(maximum);
#pragma GCC unroll 4
  for (int p = 0; p < kBlockPanels; ++p) {
    x[p] = load(scores + p * kLanes);
    if (count < kBlockPositions)
      x[p] = where_greater(broadcast(static_cast<float>(count - p * kLanes)), kLane, x[p],
                           broadcast(kMasked));
    maxima = max(maxima, x[p]);
  }
  const float greatest = reduce_max(maxima);
  Floats added = load(total);
  if (greatest != maximum) {
    const float change = maximum - greatest;
    const float factor = change > kNothing ? power_of_two<false>(broadcast(change))[0] : 0.0f;
    added *= broadcast(factor);
    for (int h = 0; h < padded_head; h += kLanes)
      store(sums + h, load(sums + h) * broadcast(factor));
    maximum = greatest;
  }
#pragma GCC unroll 4
  for (int p = 0; p < kBlockPanels; ++p) {
    const Floats below = x[p] - broadcast(greatest);
    Floats weight = power_of_two<kNarrow>(below);
    weight = where_greater(below, broadcast(kNothing), weight, Floats{});
    if constexpr (kNarrow) {
      const Words bits = rounded_bits(weight);
      weight = reinterpret_cast<Floats>(bits & 0xffff0000u);
      if (narrow != nullptr)
        *reinterpret_cast<Halves*>(narrow + p * kLanes) =
            __builtin_convertvector(bits >> 16, Halves);
    }
    if (!kNarrow || narrow == nullptr) store(scores + p * kLanes, weight);
    added += weight;
  }
  store(total, added);
}

// How many cache lines of `bytes` each of `pairs` pairs has to fetch.
inline int lines_a_pair(size_t bytes, int pairs) {
  return ceil_div(static_cast<int>(bytes / kCacheLineBytes), pairs);
}

// The queries of a tile to one block, whose first position is `begin`. `next_keys` are read after
// it; null at the end.
template <class T, bool kNarrow>
void attend_block(QueryTile& tile, const T* keys, const T* values, const T* next_keys,
                  const BlockLayout& layout, int begin) {
  // A later row attends to no fewer positions, so those that do not reach the block come first.
  int first = 0;
  while (tile.counts[first] <= begin) ++first;
  const int rows = tile.rows - first;
  const int count = std::min(kBlockPositions, tile.counts[tile.rows - 1] - begin);
  const int key_groups = layout.padded_key / kAttentionGroup;
  const int value_groups = ceil_div(count, kAttentionGroup);
  const size_t value_bytes =
      static_cast<size_t>(value_groups) * kAttentionGroup * layout.padded_head * sizeof(T);
  float* scores = tile.scores.data();
  std::fill_n(scores, static_cast<size_t>(rows) * kBlockPositions, 0.0f);
  const size_t panel = static_cast<size_t>(layout.padded_key) * kLanes;
  multiply(tile.queries.data() + static_cast<size_t>(first) * layout.padded_key, layout.padded_key,
           rows,
           Columns<T>{keys, 2 * kLanes, panel, values,
                      lines_a_pair(value_bytes, key_groups * kGroupPairs)},
           ceil_div(count, kLanes), key_groups, scores, kBlockPositions);
  float* sums = tile.sums.data() + static_cast<size_t>(first) * layout.padded_head;
  for (int r = 0; r < rows; ++r)
    softmax_block<kNarrow>(
        scores + r * kBlockPositions, std::min(kBlockPositions, tile.counts[first + r] - begin),
        tile.maxima[first + r], tile.totals[first + r],
        sums + static_cast<size_t>(r) * layout.padded_head, layout.padded_head, nullptr);
  constexpr size_t kVectorStride = std::is_same_v<T, float> ? kLanes : 2 * kLanes;
  multiply(
      scores, kBlockPositions, rows,
      Columns<T>{
          values, static_cast<size_t>(2) * layout.padded_head, kVectorStride, next_keys,
          next_keys ? lines_a_pair(layout.key_count() * sizeof(T), value_groups * kGroupPairs) : 0},
      layout.padded_head / kLanes, value_groups, sums, layout.padded_head);
}

// The pairs of a matrix in float32, one input after the other.
inline void widen(const Bfloat16* from, int pairs, int columns, float* to) {
  const Columns<Bfloat16> none{};
  for (int pair = 0; pair < pairs; ++pair, from += 2 * columns, to += 2 * columns)
    for (int c = 0; c < columns; c += kNativeLanes) {
      *reinterpret_cast<NativeFloats*>(to + c) = load_even(none, from + 2 * c);
      *reinterpret_cast<NativeFloats*>(to + columns + c) = load_odd(none, from + 2 * c);
    }
}

#if defined(MT_AMX_ATTENTION)
constexpr int kMinAmxRows = 4;  // below, products by vectors are as fast

// Configures the tiles of this thread while it lives: all eight with sixteen rows of 64 bytes.
// Results of rows beyond the queries are computed and not used.
class AttentionTiles {
 public:
  AttentionTiles() {
    struct alignas(64) Configuration {
      uint8_t palette, start_row, reserved[14];
      uint16_t row_bytes[16];
      uint8_t rows[16];
    };
    static constexpr Configuration kConfiguration = {
        1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    asm volatile("ldtilecfg %0" ::"m"(kConfiguration));
  }
  ~AttentionTiles() { asm volatile("tilerelease" :::); }
  AttentionTiles(const AttentionTiles&) = delete;
  AttentionTiles& operator=(const AttentionTiles&) = delete;
};

inline bool fills_tiles(const QueryTile& tile) { return tile.rows >= kMinAmxRows && amx_allowed(); }

// As attend_block, with the same bits.
inline void attend_block_amx(QueryTile& tile, const Bfloat16* keys, const Bfloat16* values,
                             const BlockLayout& layout, int begin) {
  const int count = std::min(kBlockPositions, tile.counts[tile.rows - 1] - begin);
  const size_t panel = static_cast<size_t>(layout.padded_key) * kLanes;
  constexpr size_t kTile = kAttentionGroup * kLanes;
  constexpr size_t kTileRowBytes = 64;
  for (int r = 0; r < tile.rows; r += kLanes) {
    const Bfloat16* queries =
        tile.narrow_queries.data() + static_cast<size_t>(r) * layout.padded_key;
    float* scores = tile.scores.data() + static_cast<size_t>(r) * kBlockPositions;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int group = 0; group * kAttentionGroup < layout.padded_key; ++group) {
      const Bfloat16* from = keys + group * kTile;
      _tile_loadd(4, queries + group * kAttentionGroup, layout.padded_key * sizeof(Bfloat16));
      // Panels beyond the last position have old keys; their scores are not used.
      _tile_loadd(5, from, kTileRowBytes);
      _tile_dpbf16ps(0, 4, 5);
      _tile_loadd(6, from + panel, kTileRowBytes);
      _tile_dpbf16ps(1, 4, 6);
      _tile_loadd(5, from + 2 * panel, kTileRowBytes);
      _tile_dpbf16ps(2, 4, 5);
      _tile_loadd(6, from + 3 * panel, kTileRowBytes);
      _tile_dpbf16ps(3, 4, 6);
    }
    constexpr size_t kStride = kBlockPositions * sizeof(float);
    _tile_stored(0, scores, kStride);
    _tile_stored(1, scores + kLanes, kStride);
    _tile_stored(2, scores + 2 * kLanes, kStride);
    _tile_stored(3, scores + 3 * kLanes, kStride);
  }
  for (int r = 0; r < tile.rows; ++r) {
    Bfloat16* weights = tile.narrow_weights.data() + static_cast<size_t>(r) * kBlockPositions;
    if (tile.counts[r] <= begin)
      std::fill_n(weights, kBlockPositions, Bfloat16{});
    else
      softmax_block<true>(tile.scores.data() + static_cast<size_t>(r) * kBlockPositions,
                          std::min(kBlockPositions, tile.counts[r] - begin), tile.maxima[r],
                          tile.totals[r],
                          tile.sums.data() + static_cast<size_t>(r) * layout.padded_head,
                          layout.padded_head, weights);
  }
  const size_t sums_stride = layout.padded_head * sizeof(float);
  const size_t value_stride = static_cast<size_t>(2) * layout.padded_head;  // of a pair
  for (int r = 0; r < tile.rows; r += kLanes) {
    const Bfloat16* weights = tile.narrow_weights.data() + static_cast<size_t>(r) * kBlockPositions;
    for (int h = 0; h < layout.padded_head; h += kLanes) {
      float* sums = tile.sums.data() + static_cast<size_t>(r) * layout.padded_head + h;
      _tile_loadd(0, sums, sums_stride);
      for (int at = 0; at < count; at += kAttentionGroup) {
        _tile_loadd(4, weights + at, kBlockPositions * sizeof(Bfloat16));
        _tile_loadd(5, values + at / 2 * value_stride + 2 * h, value_stride * sizeof(Bfloat16));
        _tile_dpbf16ps(0, 4, 5);
      }
      _tile_stored(0, sums, sums_stride);
    }
  }
}
#endif

// A block of a bfloat16 cache.
inline void attend_block(QueryTile& tile, const Bfloat16* keys, const Bfloat16* values,
                         const Bfloat16* next_keys, const BlockLayout& layout, int begin) {
#if defined(MT_AMX_ATTENTION)
  if (fills_tiles(tile)) return attend_block_amx(tile, keys, values, layout, begin);
#endif
  if (tile.rows < kMinWidenedRows)
    return attend_block<Bfloat16, true>(tile, keys, values, next_keys, layout, begin);
  const int count = std::min(kBlockPositions, tile.counts[tile.rows - 1] - begin);
  widen(keys, ceil_div(count, kLanes) * layout.padded_key / 2, kLanes, tile.keys.data());
  widen(values, ceil_div(count, kAttentionGroup) * kGroupPairs, layout.padded_head,
        tile.values.data());
  attend_block<float, true>(tile, tile.keys.data(), tile.values.data(), nullptr, layout, begin);
}

inline void attend_block(QueryTile& tile, const float* keys, const float* values,
                         const float* next_keys, const BlockLayout& layout, int begin) {
  attend_block<float, false>(tile, keys, values, next_keys, layout, begin);
}

// Sets one query of a tile: `head_dim` numbers that are multiplied by `scale`, for scores in
// powers of two.
template <class T>
void set_query(QueryTile& tile, int row, const float* query, float scale,
               const BlockLayout& layout) {
  const size_t at = static_cast<size_t>(row) * layout.padded_key;
  for (int h = 0; h < layout.padded_key; h += kLanes) {
    Floats x = {};
    if (h + kLanes <= layout.head_dim)
      x = load(query + h);
    else
      for (int lane = 0; h + lane < layout.head_dim; ++lane) x[lane] = query[h + lane];
    x *= broadcast(scale);
    if constexpr (!std::is_same_v<T, float>) {
      const Words bits = bfloat16_bits(x);
      x = reinterpret_cast<Floats>(bits << 16);
      *reinterpret_cast<Halves*>(tile.narrow_queries.data() + at + h) =
          __builtin_convertvector(bits, Halves);
    }
    store(tile.queries.data() + at + h, x);
  }
}

// All queries of a tile: tile.sums = the attention outputs. `blocks` has the addresses of the
// sequence's blocks; the keys and values of the head begin at the given elements of each.
template <class T>
void attend(QueryTile& tile, const uint64_t* blocks, size_t keys_at, size_t values_at,
            const BlockLayout& layout) {
  const int end = tile.counts[tile.rows - 1];
  std::fill_n(tile.maxima, tile.rows, kMasked);
  std::fill_n(tile.totals[0], tile.rows * kLanes, 0.0f);
  std::fill_n(tile.sums.data(), static_cast<size_t>(tile.rows) * layout.padded_head, 0.0f);
#if defined(MT_AMX_ATTENTION)
  std::optional<AttentionTiles> tiles;
  if (!std::is_same_v<T, float> && fills_tiles(tile)) tiles.emplace();
#endif
  for (int begin = 0; begin < end; begin += kBlockPositions) {
    const int next = begin / kBlockPositions + 1;
    const T* block = reinterpret_cast<const T*>(blocks[next - 1]);
    const T* next_keys =
        next * kBlockPositions < end ? reinterpret_cast<const T*>(blocks[next]) + keys_at : nullptr;
    attend_block(tile, block + keys_at, block + values_at, next_keys, layout, begin);
  }
  for (int r = 0; r < tile.rows; ++r) {
    float* sums = tile.sums.data() + static_cast<size_t>(r) * layout.padded_head;
    const float inverse = 1.0f / reduce_sum(load(tile.totals[r]));
    for (int h = 0; h < layout.padded_head; h += kLanes)
      store(sums + h, load(sums + h) * broadcast(inverse));
  }
}

}  // namespace mt
