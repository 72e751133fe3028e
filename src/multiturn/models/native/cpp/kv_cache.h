// The paged KV cache: blocks of positions, each one allocation of the caller for all layers and KV
// heads.
//
// A block holds for each layer and KV head the keys of its positions and then their values. Keys are
// in panels of sixteen positions, so that one vector has the same dimension of sixteen keys and a
// query's scores need no sums across lanes; values are in rows. Attention multiplies pairs of inputs
// (see attention.h), and pairs of bfloat16 numbers stand together, as processors with products of
// them have it:
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

// A number in the type of the cache.
template <class T>
MT_INLINE T rounded(float x) {
  if constexpr (std::is_same_v<T, float>)
    return x;
  else
    return to_bfloat16(x);
}

// Stores the key and the value of one position of a block. The first position of a group has to be
// stored before the others.
template <class T>
void store_position(const float* key, const float* value, int position, const BlockLayout& layout,
                    T* keys, T* values) {
  constexpr int kPair = std::is_same_v<T, float> ? 1 : 2;  // numbers that stand together
  const int lane = position % kLanes;
  T* to = keys + static_cast<size_t>(position / kLanes) * layout.padded_key * kLanes + lane * kPair;
  for (int h = 0; h < layout.padded_key; ++h)
    to[static_cast<size_t>(h / kPair) * kPair * kLanes + h % kPair] =
        h < layout.head_dim ? rounded<T>(key[h]) : T{};
  const size_t row = static_cast<size_t>(layout.padded_head) * kPair;
  to = values + position / kPair * row + position % kPair;
  if (position % kAttentionGroup == 0) std::fill_n(to, kAttentionGroup / kPair * row, T{});
  for (int h = 0; h < layout.head_dim; ++h) to[h * kPair] = rounded<T>(value[h]);
}

}  // namespace mt
