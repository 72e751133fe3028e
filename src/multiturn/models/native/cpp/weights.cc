#include "weights.h"

#include <algorithm>

namespace mt {

void EmbeddingTable::set(const Source& source, size_t count, bool as_bfloat16) {
  if (as_bfloat16) {
    halves_ = AlignedBuffer<Bfloat16>(count);
    for (size_t i = 0; i < count; ++i) halves_.data()[i] = to_bfloat16(source.at(i, 0));
  } else {
    floats_ = AlignedBuffer<float>(count);
    for (size_t i = 0; i < count; ++i) floats_.data()[i] = source.at(i, 0);
  }
}

void EmbeddingTable::lookup(int token, size_t width, float* out) const {
  const size_t begin = token * width;
  if (floats_.empty())
    for (size_t d = 0; d < width; ++d) out[d] = to_float(halves_.data()[begin + d]);
  else
    std::memcpy(out, floats_.data() + begin, width * sizeof(float));
}

// An array that the caller hands over: a vector or a matrix, whose `outputs` go to
// [first, first + outputs) of the `all_outputs` of its destination.
struct Weights::Array {
  enum Layout { kVector, kOutputsLast, kOutputsFirst, kEmbedding };

  std::string_view name;
  Layout layout;
  std::vector<float>* vector;
  PackedWeights* matrix;
  size_t outputs;
  size_t first;
  size_t all_outputs;

  static Array of(std::string_view name, std::vector<float>& to, size_t count) {
    return {name, kVector, &to, nullptr, count, 0, count};
  }
  static Array part(std::string_view name, std::vector<float>& to, size_t first, size_t count,
                    size_t all) {
    return {name, kVector, &to, nullptr, count, first, all};
  }
  static Array of(std::string_view name, PackedWeights& to, Layout layout = kOutputsLast) {
    return part(name, to, 0, to.outputs(), layout);
  }
  static Array part(std::string_view name, PackedWeights& to, size_t first, size_t count,
                    Layout layout = kOutputsLast) {
    return {name, layout, nullptr, &to, count, first, static_cast<size_t>(to.outputs())};
  }

  size_t elements() const { return matrix == nullptr ? outputs : outputs * matrix->inputs(); }

  void set_vector(const Source& source) const {
    vector->resize(all_outputs);
    for (size_t i = 0; i < outputs; ++i) (*vector)[first + i] = source.at(i, 0);
  }

  // Each thread packs panels of its own.
  void set_matrix(ThreadPool& pool, Source source) const {
    const int count = static_cast<int>(outputs);
    source.input_stride = layout == kOutputsLast ? outputs : 1;
    source.output_stride = layout == kOutputsLast ? 1 : matrix->inputs();
    const size_t element = source.is_bfloat16 ? sizeof(Bfloat16) : sizeof(float);
    pool.run([&](Worker& worker) {
      worker.parallel_for(ceil_div(count, kPanel), [&](int panel) {
        const int begin = panel * kPanel;
        Source part = source;
        part.data =
            static_cast<const uint8_t*>(source.data) + begin * source.output_stride * element;
        matrix->pack(part, static_cast<int>(first) + begin, std::min(kPanel, count - begin));
      });
    });
  }
};

Weights::Weights(const DecoderConfig& config)
    : layers(config.layers),
      head(config.d_model, config.vocab_size, config.type()),
      config_(config) {
  const DecoderConfig& c = config;
  for (LayerWeights& layer : layers) {
    layer.qkv = PackedWeights(c.d_model, c.qkv_size(), c.type());
    layer.out = PackedWeights(c.query_size(), c.d_model, c.type());
    if (!c.gelu) layer.gate = PackedWeights(c.d_model, c.mlp_dim, c.type());
    layer.up = PackedWeights(c.d_model, c.mlp_dim, c.type());
    layer.down = PackedWeights(c.mlp_dim, c.d_model, c.type());
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
      Array::of("embedding", head, Array::kOutputsFirst),
      Array::of("untied_embedding", head, Array::kEmbedding),
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
      Array::part("query_bias", layer.qkv_bias, 0, q, qkv),
      Array::part("key_bias", layer.qkv_bias, q, kv, qkv),
      Array::part("value_bias", layer.qkv_bias, q + kv, kv, qkv),
      Array::of("up_bias", layer.up_bias, c.mlp_dim),
      Array::of("down_bias", layer.down_bias, c.d_model),
      Array::part("query", layer.qkv, 0, q),
      Array::part("key", layer.qkv, q, kv),
      Array::part("value", layer.qkv, q + kv, kv),
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
  const auto array =
      std::find_if(arrays.begin(), arrays.end(), [&](const Array& each) { return each.name == name; });
  if (array == arrays.end()) throw std::invalid_argument("there is no array " + name);
  if (elements < 0 || static_cast<size_t>(elements) != array->elements())
    throw std::invalid_argument("the array " + name + " has " + std::to_string(elements) +
                                " elements instead of " + std::to_string(array->elements()));
  constexpr int32_t kFloat32 = 0, kBfloat16 = 30;
  if (type != kFloat32 && type != kBfloat16)
    throw std::invalid_argument("the array " + name + " has the type " + std::to_string(type) +
                                ", which the kernels do not read");
  const Source source{data, type == kBfloat16, 1, 0};
  if (array->layout == Array::kOutputsLast && outputs_first) array->layout = Array::kOutputsFirst;
  switch (array->layout) {
    case Array::kVector: return array->set_vector(source);
    case Array::kEmbedding:
      return embedding.set(source, array->elements(), config_.bfloat16_cache());
    case Array::kOutputsLast:
    case Array::kOutputsFirst: return array->set_matrix(pool, source);
  }
}

}  // namespace mt
