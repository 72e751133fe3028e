#include "weights.h"

#include <algorithm>

namespace mt {

void EmbeddingTable::set(const Source& source, bool as_bfloat16) {
  const size_t count = source.inputs * source.outputs;
  if (layout_of(source.type).block > 1) {
    type_ = source.type;
    const size_t bytes = layout_of(type_).row_bytes(count);
    rows_ = AlignedBuffer<uint8_t>(bytes);
    std::memcpy(rows_.data(), source.data, bytes);
    return;
  }
  type_ = as_bfloat16 ? GgmlType::kBF16 : GgmlType::kF32;
  rows_ = AlignedBuffer<uint8_t>(layout_of(type_).row_bytes(count));
  for (size_t begin = 0; begin < count; begin += kGroup) {
    float values[kGroup];
    const int here = static_cast<int>(std::min<size_t>(kGroup, count - begin));
    read_values(source.type, source.data, begin / kGroup, here, values);
    for (int i = 0; i < here; ++i)
      if (as_bfloat16)
        reinterpret_cast<Bfloat16*>(rows_.data())[begin + i] = to_bfloat16(values[i]);
      else
        reinterpret_cast<float*>(rows_.data())[begin + i] = values[i];
  }
}

void EmbeddingTable::lookup(int token, size_t width, float* out) const {
  const uint8_t* row = rows_.data() + token * layout_of(type_).row_bytes(width);
  for (size_t begin = 0; begin < width; begin += kGroup)
    read_values(type_, row, begin / kGroup,
                static_cast<int>(std::min<size_t>(kGroup, width - begin)), out + begin);
}

// An array that the caller hands over: a vector, a matrix, which is a part of a layer's weights,
// or the table of embeddings.
struct Weights::Array {
  enum Kind { kVector, kMatrix, kEmbedding };

  std::string_view name;
  Kind kind;
  std::vector<float>* vector;
  PackedWeights* matrix;
  size_t outputs;
  size_t first;  // of a vector: where it goes in all of it
  size_t all;
  int part;  // of a matrix

  static Array of(std::string_view name, std::vector<float>& to, size_t count) {
    return part_of(name, to, 0, count, count);
  }
  static Array part_of(std::string_view name, std::vector<float>& to, size_t first, size_t count,
                       size_t all) {
    return {name, kVector, &to, nullptr, count, first, all, 0};
  }
  static Array of(std::string_view name, PackedWeights& to, int part = 0, Kind kind = kMatrix) {
    const size_t outputs = to.part_outputs(part);
    return {name, kind, nullptr, &to, outputs, 0, outputs, part};
  }

  size_t inputs() const { return matrix == nullptr ? 1 : matrix->inputs(); }
  size_t elements() const { return outputs * inputs(); }

  void check(GgmlType type, bool outputs_first, int64_t count) const {
    if (count < 0 || static_cast<size_t>(count) != elements())
      throw std::invalid_argument("the array " + std::string(name) + " has " +
                                  std::to_string(count) + " elements instead of " +
                                  std::to_string(elements()));
    const int block = layout_of(type).block;
    if (block > 1 && (kind == kVector || !outputs_first || inputs() % block != 0))
      throw std::invalid_argument("the array " + std::string(name) +
                                  " cannot have a quantized type: it needs rows of a multiple of " +
                                  std::to_string(block) + " inputs");
  }

  void set_vector(const Source& source) const {
    vector->resize(all);
    for (size_t i = 0; i < outputs; i += kGroup)
      read_values(source.type, source.data, i / kGroup,
                  static_cast<int>(std::min<size_t>(kGroup, outputs - i)),
                  vector->data() + first + i);
  }

  // Each thread packs panels of its own.
  void set_matrix(ThreadPool& pool, const Source& source) const {
    matrix->allocate(part, source.type);
    pool.run([&](Worker& worker) {
      worker.parallel_for(matrix->part_panels(part),
                          [&](int panel) { matrix->pack(part, panel, source); });
    });
  }
};

Weights::Weights(const DecoderConfig& config)
    : layers(config.layers),
      head(config.d_model, {config.vocab_size}, config.type()),
      config_(config) {
  const DecoderConfig& c = config;
  for (LayerWeights& layer : layers) {
    layer.qkv = PackedWeights(c.d_model, {c.query_size(), c.kv_size(), c.kv_size()}, c.type());
    layer.out = PackedWeights(c.query_size(), {c.d_model}, c.type());
    if (!c.gelu) layer.gate = PackedWeights(c.d_model, {c.mlp_dim}, c.type());
    layer.up = PackedWeights(c.d_model, {c.mlp_dim}, c.type());
    layer.down = PackedWeights(c.mlp_dim, {c.d_model}, c.type());
  }
}

size_t Weights::bytes() const {
  size_t total = head.bytes() + embedding.bytes();
  for (const LayerWeights& layer : layers)
    total += layer.qkv.bytes() + layer.out.bytes() + layer.gate.bytes() + layer.up.bytes() +
             layer.down.bytes();
  return total;
}

std::vector<Weights::Array> Weights::model_arrays() {
  const DecoderConfig& c = config_;
  const size_t table = c.max_seq_len * c.rotary_pairs();
  return {
      Array::of("final_norm_scale", final_norm_scale, c.d_model),
      Array::of("final_norm_bias", final_norm_bias, c.d_model),
      Array::of("head", head),
      Array::of("head_bias", head_bias, c.vocab_size),
      Array::of("embedding", head),
      Array::of("untied_embedding", head, 0, Array::kEmbedding),
      Array::of("cosine", cosine, table),
      Array::of("sine", sine, table),
  };
}

std::vector<Weights::Array> Weights::layer_arrays(LayerWeights& layer) {
  const DecoderConfig& c = config_;
  const size_t q = c.query_size(), kv = c.kv_size(), qkv = c.qkv_size();
  std::vector<Array> arrays = {
      Array::of("norm_scale", layer.norm_scale, c.d_model),
      Array::of("norm_bias", layer.norm_bias, c.d_model),
      Array::of("mlp_norm_scale", layer.mlp_norm_scale, c.d_model),
      Array::of("mlp_norm_bias", layer.mlp_norm_bias, c.d_model),
      Array::part_of("query_bias", layer.qkv_bias, 0, q, qkv),
      Array::part_of("key_bias", layer.qkv_bias, q, kv, qkv),
      Array::part_of("value_bias", layer.qkv_bias, q + kv, kv, qkv),
      Array::of("up_bias", layer.up_bias, c.mlp_dim),
      Array::of("down_bias", layer.down_bias, c.d_model),
      Array::of("query", layer.qkv, 0),
      Array::of("key", layer.qkv, 1),
      Array::of("value", layer.qkv, 2),
      Array::of("attention_out", layer.out),
      Array::of("up", layer.up),
      Array::of("down", layer.down),
  };
  if (!c.gelu) arrays.push_back(Array::of("gate", layer.gate));
  return arrays;
}

void Weights::set(ThreadPool& pool, const std::string& name, int layer, const void* data,
                  int32_t type, bool outputs_first, int64_t elements) {
  if (layer < -1 || layer >= config_.layers)
    throw std::invalid_argument("there is no layer " + std::to_string(layer));
  std::vector<Array> arrays = layer < 0 ? model_arrays() : layer_arrays(layers[layer]);
  const auto array = std::find_if(arrays.begin(), arrays.end(),
                                  [&](const Array& each) { return each.name == name; });
  if (array == arrays.end()) throw std::invalid_argument("there is no array " + name);
  // Embeddings have a row for each token, in models.parameters too.
  outputs_first = outputs_first || name == "embedding" || name == "untied_embedding";
  const auto ggml_type = static_cast<GgmlType>(type);
  array->check(ggml_type, outputs_first, elements);
  const Source source{static_cast<const uint8_t*>(data), ggml_type, outputs_first, array->inputs(),
                      array->outputs};
  switch (array->kind) {
    case Array::kVector: return array->set_vector(source);
    case Array::kMatrix: return array->set_matrix(pool, source);
    case Array::kEmbedding: return embedding.set(source, config_.bfloat16_cache());
  }
}

}  // namespace mt
