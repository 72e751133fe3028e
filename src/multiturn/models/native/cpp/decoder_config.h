// The settings of a decoder, and the sizes that follow from them.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "packing.h"

namespace mt {

// The fields of multiturn.models.config.DecoderConfig that determine the arithmetic.
struct DecoderConfig {
  int32_t vocab_size, layers, d_model, heads, kv_heads, head_dim, mlp_dim;
  int32_t rotary_dim, interleaved_rope, layer_norm, gelu, parallel_residual;
  int32_t max_seq_len;  // positions in the tables of rotary embeddings
  int32_t precision;    // a Precision
  int32_t threads;
  float norm_eps;

  Precision type() const { return static_cast<Precision>(precision); }
  bool bfloat16_cache() const { return type() != Precision::kFloat32; }
  int head_vectors() const { return ceil_div(head_dim, kLanes); }
  int padded_head() const { return head_vectors() * kLanes; }
  int group() const { return heads / kv_heads; }  // query heads that share a key head
  int query_size() const { return heads * head_dim; }
  int kv_size() const { return kv_heads * head_dim; }
  int qkv_size() const { return query_size() + 2 * kv_size(); }
  size_t rotary_pairs() const { return static_cast<size_t>(rotary_dim / 2); }
};

struct IntSetting {
  std::string_view name;
  int32_t DecoderConfig::* field;
  int32_t min, max;
};

constexpr int32_t kNoMax = INT32_MAX;

constexpr IntSetting kIntSettings[] = {
    {"vocab_size", &DecoderConfig::vocab_size, 1, kNoMax},
    {"layers", &DecoderConfig::layers, 0, kNoMax},
    {"d_model", &DecoderConfig::d_model, 1, kNoMax},
    {"heads", &DecoderConfig::heads, 1, kNoMax},
    {"kv_heads", &DecoderConfig::kv_heads, 1, kNoMax},
    {"head_dim", &DecoderConfig::head_dim, 1, kNoMax},
    {"mlp_dim", &DecoderConfig::mlp_dim, 1, kNoMax},
    {"rotary_dim", &DecoderConfig::rotary_dim, 0, kNoMax},
    {"interleaved_rope", &DecoderConfig::interleaved_rope, 0, 1},
    {"layer_norm", &DecoderConfig::layer_norm, 0, 1},
    {"gelu", &DecoderConfig::gelu, 0, 1},
    {"parallel_residual", &DecoderConfig::parallel_residual, 0, 1},
    {"max_seq_len", &DecoderConfig::max_seq_len, 1, kNoMax},
    {"precision", &DecoderConfig::precision, 0, 3},
    {"threads", &DecoderConfig::threads, 1, 1024},
};

// Reads the settings by name: all of `kIntSettings`, each once, and "norm_eps".
// Throws std::invalid_argument for a missing, unknown or repeated name, or a value out of range.
inline DecoderConfig read_config(const char* const* names, const double* values, int count) {
  constexpr int kExpected = static_cast<int>(std::size(kIntSettings)) + 1;
  if (count != kExpected)
    throw std::invalid_argument("a decoder has " + std::to_string(kExpected) + " settings, not " +
                                std::to_string(count));
  const auto value_of = [&](std::string_view name) {
    for (int i = 0; i < count; ++i)
      if (name == names[i]) return values[i];
    throw std::invalid_argument("the setting " + std::string(name) + " is missing");
  };
  DecoderConfig config{};
  for (const IntSetting& setting : kIntSettings) {
    const double value = value_of(setting.name);
    if (!(value >= setting.min && value <= setting.max))
      throw std::invalid_argument("the setting " + std::string(setting.name) + " is out of range");
    config.*setting.field = static_cast<int32_t>(value);
  }
  config.norm_eps = static_cast<float>(value_of("norm_eps"));
  if (config.heads % config.kv_heads != 0)
    throw std::invalid_argument("kv_heads does not divide heads");
  if (config.rotary_dim > config.head_dim)
    throw std::invalid_argument("rotary_dim is greater than head_dim");
  return config;
}

}  // namespace mt
