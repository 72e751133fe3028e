// The weights of a decoder, and the table of the arrays that they are read from.
#pragma once

#include <string>
#include <vector>

#include "decoder_config.h"
#include "thread_pool.h"

namespace mt {

// The input embedding where the output head has weights of its own.
class EmbeddingTable {
 public:
  // Keeps quantized rows as they are, others as float32 or bfloat16.
  void set(const Source& source, bool as_bfloat16);
  bool empty() const { return rows_.empty(); }
  size_t bytes() const { return rows_.bytes(); }
  // out[0..width) = the embedding of one token.
  void lookup(int token, size_t width, float* out) const;

 private:
  GgmlType type_ = GgmlType::kF32;
  AlignedBuffer<uint8_t> rows_;
};

struct LayerWeights {
  std::vector<float> norm_scale, norm_bias, mlp_norm_scale, mlp_norm_bias;
  std::vector<float> qkv_bias, up_bias, down_bias;
  PackedWeights qkv, out, gate, up, down;
};

class Weights {
 public:
  explicit Weights(const DecoderConfig& config);

  // Packs one array of one layer, or of none if `layer` is -1. The names and layouts are those of
  // models.parameters, and "cosine" and "sine": max_seq_len times rotary_dim / 2. `type` is a
  // number of GGML. Matrices are [inputs][outputs], or [outputs][inputs] if `outputs_first`, which
  // quantized types need; an embedding has a row for each token in any case.
  // Throws std::invalid_argument for an unknown name or layer, a wrong number of elements, or a
  // type that does not fit.
  void set(ThreadPool& pool, const std::string& name, int layer, const void* data, int32_t type,
           bool outputs_first, int64_t elements);

  size_t bytes() const;

  std::vector<LayerWeights> layers;
  std::vector<float> cosine, sine, final_norm_scale, final_norm_bias, head_bias;
  PackedWeights head;  // also the embedding, unless `embedding` has one
  EmbeddingTable embedding;

 private:
  struct Array;
  std::vector<Array> model_arrays();
  std::vector<Array> layer_arrays(LayerWeights& layer);

  const DecoderConfig config_;
};

}  // namespace mt
