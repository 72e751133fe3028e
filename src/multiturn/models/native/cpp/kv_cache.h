// The paged KV cache: blocks of positions, each one allocation of the caller for all layers and KV
// heads.
//
// A block holds for each layer and KV head the keys of its positions and then their values. Keys
// are in panels of sixteen positions, so that one vector has the same dimension of sixteen keys and
// a query's scores need no sums across lanes; values are in rows. Attention multiplies pairs of
// inputs (see attention.h), and pairs of bfloat16 numbers stand together, as processors with
// products of them have it:
//
//     keys     float32  [panel][dimension][position]    bfloat16 [panel][pair][position][2]
//     values   float32  [position][dimension]           bfloat16 [pair of positions][dimension][2]
//
// Dimensions of keys are padded with zeros to groups of 32, those of values to full vectors. Values
// of unused positions of a group of 32 are zeros or old ones, so that they may be multiplied by 0.
#pragma once

#include <algorithm>
#include <type_traits>

#include "decoder_config.h"

namespace mt {

constexpr int kBlockPositions = 64;
constexpr int kBlockPanels = kBlockPositions / kLanes;
constexpr size_t kBlockAlignment = 64;  // bytes
constexpr int kAttentionGroup = 32;     // inputs of a product that are summed as one

// Offsets in a block, in elements.
struct BlockLayout {
  explicit BlockLayout(const DecoderConfig& c)
      : layers(c.layers),
        kv_heads(c.kv_heads),
        head_dim(c.head_dim),
        padded_key(round_up(c.head_dim, kAttentionGroup)),
        padded_head(c.padded_head()) {}

  size_t key_count() const { return static_cast<size_t>(kBlockPositions) * padded_key; }
  size_t value_count() const { return static_cast<size_t>(kBlockPositions) * padded_head; }
  size_t head_count() const { return key_count() + value_count(); }
  size_t count() const { return head_count() * layers * kv_heads; }

  size_t keys(int layer, int kv_head) const {
    return (static_cast<size_t>(layer) * kv_heads + kv_head) * head_count();
  }
  size_t values(int layer, int kv_head) const { return keys(layer, kv_head) + key_count(); }

  int layers, kv_heads, head_dim, padded_key, padded_head;
};

inline size_t block_bytes(const DecoderConfig& c) {
  return BlockLayout(c).count() * (c.bfloat16_cache() ? sizeof(Bfloat16) : sizeof(float));
}

// The next up to sixteen numbers in the type of the cache; zeros from `count` on.
template <class T>
MT_INLINE void round_vector(const float* from, int count, T (&to)[kLanes]) {
  if (count >= kLanes) return store(to, load(from));
  Floats x = {};
  for (int lane = 0; lane < count; ++lane) x[lane] = from[lane];
  store(to, x);
}

// Stores the key and the value of one position of a block. The first position of a group has to be
// stored before the others.
template <class T>
void store_position(const float* key, const float* value, int position, const BlockLayout& layout,
                    T* keys, T* values) {
  constexpr int kPair = std::is_same_v<T, float> ? 1 : 2;  // numbers that stand together
  T part[kLanes];
  T* to = keys + static_cast<size_t>(position / kLanes) * layout.padded_key * kLanes +
          position % kLanes * kPair;
  for (int h = 0; h < layout.padded_key; h += kLanes) {
    round_vector(key + h, layout.head_dim - h, part);
    for (int lane = 0; lane < kLanes; lane += kPair, to += kPair * kLanes)
      std::memcpy(to, part + lane, kPair * sizeof(T));
  }
  const size_t row = static_cast<size_t>(layout.padded_head) * kPair;
  to = values + position / kPair * row + position % kPair;
  if (position % kAttentionGroup == 0) std::fill_n(to, kAttentionGroup / kPair * row, T{});
  for (int h = 0; h < layout.padded_head; h += kLanes) {
    round_vector(value + h, layout.head_dim - h, part);
    for (int lane = 0; lane < kLanes; ++lane) to[(h + lane) * kPair] = part[lane];
  }
}

}  // namespace mt
