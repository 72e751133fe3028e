// The paged KV cache: blocks of positions, each one allocation of the caller for all layers and KV
// heads.
//
// A block holds for each layer and KV head the keys of its positions and then their values. Keys
// are in panels of sixteen positions, [panel][dimension][position], so that one vector has the same
// dimension of sixteen keys and a query's scores need no sums across lanes. Values are stored
// position after position, padded with zeros to full vectors.
#pragma once

#include <type_traits>

#include "decoder_config.h"

namespace mt {

constexpr int kBlockPositions = 64;
constexpr int kBlockPanels = kBlockPositions / kLanes;
constexpr size_t kBlockAlignment = 64;  // bytes

// Offsets in a block, in elements.
struct BlockLayout {
  explicit BlockLayout(const DecoderConfig& c)
      : layers(c.layers), kv_heads(c.kv_heads), head_dim(c.head_dim), padded_head(c.padded_head()) {}

  size_t key_count() const { return static_cast<size_t>(kBlockPositions) * head_dim; }
  size_t value_count() const { return static_cast<size_t>(kBlockPositions) * padded_head; }
  size_t head_count() const { return key_count() + value_count(); }
  size_t count() const { return head_count() * layers * kv_heads; }

  size_t keys(int layer, int kv_head) const {
    return (static_cast<size_t>(layer) * kv_heads + kv_head) * head_count();
  }
  size_t values(int layer, int kv_head) const { return keys(layer, kv_head) + key_count(); }

  int layers, kv_heads, head_dim, padded_head;
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

// Stores the key of one position of a block.
template <class T>
void store_key(const float* key, int head_dim, int position, T* keys) {
  T* to = keys + static_cast<size_t>(position / kLanes) * head_dim * kLanes + position % kLanes;
  for (int h = 0; h < head_dim; ++h) to[static_cast<size_t>(h) * kLanes] = rounded<T>(key[h]);
}

// Stores the value of one position of a block.
template <class T>
void store_value(const float* value, int head_dim, int padded_head, int position, T* values) {
  T* to = values + static_cast<size_t>(position) * padded_head;
  for (int h = 0; h < padded_head; h += kLanes) {
    Floats x = {};
    for (int lane = 0; lane < kLanes && h + lane < head_dim; ++lane) x[lane] = value[h + lane];
    store(to + h, x);
  }
}

}  // namespace mt
