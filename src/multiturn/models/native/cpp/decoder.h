// A whole decoder: weights in, tokens through all layers, logits out.
#pragma once

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "matrix.h"
#include "pool.h"
#include "ranking.h"

namespace mt {

// The fields of multiturn.models.config.DecoderConfig that decide the arithmetic. Plain
// int32 and float fields in this order: the Python side declares the same structure.
struct Spec {
  int32_t vocab_size, layers, width, heads, kv_heads, head_size, feed_forward_width;
  int32_t rotary_size, rotary_adjacent, layer_norm, gelu, parallel;
  int32_t positions;  // that the tables of angles cover
  int32_t precision;  // see Precision
  int32_t threads;
  float norm_eps;
};

// One row of a cache: keys and values L B K S H, the last padded to whole vectors; float32, or
// bfloat16 where the precision is not float32.
struct CacheRow {
  void* keys;
  void* values;
  int rows, row;  // B, and which of them
  int capacity;   // S
};

// New tokens of a few rows, and the caches that they are read into.
struct Batch {
  int rows, length;        // B, T
  const int32_t* tokens;   // B T
  const int32_t* counts;   // B: how many of a row's tokens are real
  const int32_t* lengths;  // B: positions filled before
  const CacheRow* caches;  // B
  float* hidden;           // B T D, or null where nobody asks
};

class Decoder {
 public:
  explicit Decoder(const Spec& spec);

  // Takes over one array of one layer (-1: of none), in the layout of models.parameters;
  // `name` may also be "cosine" and "sine", positions times rotary_size / 2.
  void set(const std::string& name, int layer, const void* data, bool is_bfloat16);

  // models.decoder.extend: the normed states of the new tokens, if they are asked for; those of
  // padding are 0.
  // Throws std::invalid_argument, having changed nothing, where a token or a length is out
  // of range.
  void extend(const Batch& batch);

  // models.decoder.logits_of: hidden B D to logits B V, both float32.
  void logits(const float* hidden, int rows, float* logits);

  // What models.sampling chooses the next tokens by; the rows are shared among the threads.
  void rank(const Ranking& ranking);

  const Spec& spec() const { return spec_; }
  bool half_cache() const { return precision_ != Precision::kFloat32; }
  int padded_head() const { return vectors_ * kLanes; }
  size_t bytes() const;

 private:
  struct Token {
    int32_t id, row, position, place;  // place: which of the B T it was
  };
  struct Layer {
    std::vector<float> norm_scale, norm_bias, mlp_norm_scale, mlp_norm_bias;
    std::vector<float> qkv_bias, up_bias, down_bias;
    Matrix qkv, out, gate, up, down;
  };
  class Chunk;

  void read(const Token* tokens, int count, const Batch& batch);
  std::vector<Token> real_tokens(const Batch& batch) const;

  Spec spec_;
  Precision precision_;
  int vectors_;  // of one head, padded
  std::vector<Layer> layers_;
  std::vector<float> cosine_, sine_, final_norm_scale_, final_norm_bias_, head_bias_;
  Matrix head_;
  Memory<Bfloat16> half_embedding_;  // where the head is not the embedding
  Memory<float> embedding_;
  bool tied_ = true;

  std::mutex busy_;
  Team team_;
  // Room for one chunk of tokens, and for each thread.
  Memory<float> stream_, qkv_, mixed_, inner_, panel_, scratch_;
  Rows normed_, mixed_rows_, inner_rows_;
  int scratch_pitch_ = 0;
};

}  // namespace mt
