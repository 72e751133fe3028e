// A decoder: tokens go through all layers, and logits come out.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "scratch.h"
#include "top_candidates.h"
#include "weights.h"

namespace mt {

// One sequence's part of a KV cache. Keys and values have the shape L B K S H, H padded to full
// vectors; they are float32, or bfloat16 if the precision is not float32.
struct CacheRow {
  void* keys;
  void* values;
  int rows, row;  // B, and which of them
  int capacity;   // S
};

// New tokens of some sequences, and the caches that they extend.
struct Batch {
  int rows, length;        // B, T
  const int32_t* tokens;   // B T
  const int32_t* counts;   // B: how many of a row's T tokens are real
  const int32_t* lengths;  // B: positions that the cache already has
  const CacheRow* caches;  // B
  float* hidden;           // B T D, or null if the hidden states are not needed
};

class Decoder {
 public:
  explicit Decoder(const DecoderConfig& config);

  // See Weights::set.
  void set(const std::string& name, int layer, const void* data, bool is_bfloat16,
           int64_t elements);

  // models.decoder.forward_with_cache: extends the caches, and writes the final hidden states after
  // normalization, 0 for padding.
  // Throws std::invalid_argument, before it changes anything, if a token, count or length is out of
  // range.
  void forward(const Batch& batch);

  // models.decoder.unembed: hidden states B D to logits B V, both float32.
  void unembed(const float* hidden, int rows, float* logits);

  // The rows are divided among the threads.
  void find_top_candidates(const TopCandidates& batch);

  const DecoderConfig& config() const { return config_; }
  size_t bytes() const { return weights_.bytes(); }

 private:
  struct Token {
    int32_t id, row, position;
    int64_t index;  // in the B T tokens of the batch
  };
  class ChunkForward;

  std::vector<Token> real_tokens(const Batch& batch) const;

  const DecoderConfig config_;
  std::mutex mutex_;  // one call at a time
  ThreadPool pool_;
  Weights weights_;
  Scratch scratch_;
};

}  // namespace mt
