// A decoder: tokens go through all layers, and logits come out.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "sampling.h"
#include "scratch.h"
#include "weights.h"

namespace mt {

// New tokens of some sequences, and the KV caches that they extend.
struct Batch {
  int rows;                // B
  const int32_t* tokens;   // of all rows, one row after another
  const int32_t* counts;   // B: tokens of each row
  const int32_t* lengths;  // B: positions that its cache already has
  const uint64_t* blocks;  // B max_blocks: the addresses of its blocks; see kv_cache.h
  int max_blocks;
  const uint8_t* wanted;  // of each token: whether its hidden state is needed
  float* hidden;          // [wanted tokens] D
};

class Decoder {
 public:
  explicit Decoder(const DecoderConfig& config);

  // See Weights::set.
  void set(const std::string& name, int layer, const void* data, int32_t type, bool outputs_first,
           int64_t elements);

  // models.decoder.forward_with_cache: extends the caches, and writes the final hidden states after
  // normalization of the wanted tokens.
  // Throws std::invalid_argument, before it changes anything, if a token, count, length or block is
  // out of range.
  void forward(const Batch& batch);

  // models.decoder.unembed: hidden states B D to logits B V, both float32.
  void unembed(const float* hidden, int rows, float* logits);

  // See sampling.h. The rows are divided among the threads.
  void sample(const Sampling& batch);

  const DecoderConfig& config() const { return config_; }
  size_t bytes() const { return weights_.bytes(); }

 private:
  struct Token {
    int32_t id, row, position;
    float* hidden;  // where its hidden state goes, or null
  };
  struct Chunk;
  class ChunkForward;

  std::vector<Token> checked_tokens(const Batch& batch) const;

  const DecoderConfig config_;
  std::mutex mutex_;  // one call at a time
  ThreadPool pool_;
  Weights weights_;
  Scratch scratch_;
};

}  // namespace mt
