#include "decoder.h"

#include <algorithm>
#include <cmath>

#include "attention.h"
#include "product.h"

namespace mt {
namespace {

constexpr int kChunk = 128;  // tokens that go through the layers together

int padded(int outputs) { return divide_up(outputs, kPanel) * kPanel; }

int query_size(const Spec& s) { return s.heads * s.head_size; }
int key_size(const Spec& s) { return s.kv_heads * s.head_size; }

// LayerNorm or RMSNorm of one row, in float32.
void normalize(const float* x, const std::vector<float>& scale, const std::vector<float>& bias,
               int width, bool centred, float eps, float* out) {
  float mean = 0;
  if (centred) {
    double total = 0;
    for (int d = 0; d < width; ++d) total += x[d];
    mean = static_cast<float>(total / width);
  }
  Floats squares = {};
  int d = 0;
  for (; d + kLanes <= width; d += kLanes) {
    const Floats away = load(x + d) - mean;
    squares += away * away;
  }
  float rest = 0;
  for (; d < width; ++d) rest += (x[d] - mean) * (x[d] - mean);
  const float inverse = 1.0f / std::sqrt((sum(squares) + rest) / width + eps);
  for (d = 0; d < width; ++d) out[d] = (x[d] - mean) * inverse * scale[d];
  if (!bias.empty())
    for (d = 0; d < width; ++d) out[d] += bias[d];
}

// Turns the pairs of one head by the angles of its position.
void rotate(float* head, const float* cosine, const float* sine, int size, bool adjacent) {
  const int half = size / 2;
  for (int i = 0; i < half; ++i) {
    float& first = head[adjacent ? 2 * i : i];
    float& second = head[adjacent ? 2 * i + 1 : i + half];
    const float a = first, b = second;
    first = a * cosine[i] - b * sine[i];
    second = b * cosine[i] + a * sine[i];
  }
}

template <class Number>
void keep(const float* head, int size, int padded_size, Number* to) {
  for (int h = 0; h < padded_size; h += kLanes) {
    Floats x = {};
    for (int lane = 0; lane < kLanes && h + lane < size; ++lane) x[lane] = head[h + lane];
    store(to + h, x);
  }
}

}  // namespace

Decoder::Decoder(const Spec& spec)
    : spec_(spec),
      precision_(static_cast<Precision>(spec.precision)),
      vectors_(divide_up(spec.head_size, kLanes)),
      layers_(spec.layers),
      team_(spec.threads) {
  const int qkv = query_size(spec) + 2 * key_size(spec);
  const int heads = spec.heads * padded_head();
  stream_ = Memory<float>(static_cast<size_t>(kChunk) * spec.width);
  qkv_ = Memory<float>(static_cast<size_t>(kChunk) * padded(qkv));
  mixed_ = Memory<float>(static_cast<size_t>(kChunk) * heads);
  inner_ = Memory<float>(static_cast<size_t>(kChunk) * padded(spec.feed_forward_width));
  panel_ = Memory<float>(static_cast<size_t>(team_.size()) * 2 * kChunk * kPanel);
  normed_ = Rows(kChunk, spec.width, precision_);
  mixed_rows_ = Rows(kChunk, query_size(spec), precision_);
  inner_rows_ = Rows(kChunk, spec.feed_forward_width, precision_);
  for (Layer& layer : layers_) {
    layer.qkv = Matrix(spec.width, qkv, precision_);
    layer.out = Matrix(query_size(spec), spec.width, precision_);
    if (!spec.gelu) layer.gate = Matrix(spec.width, spec.feed_forward_width, precision_);
    layer.up = Matrix(spec.width, spec.feed_forward_width, precision_);
    layer.down = Matrix(spec.feed_forward_width, spec.width, precision_);
  }
  head_ = Matrix(spec.width, spec.vocab_size, precision_);
}

size_t Decoder::bytes() const {
  size_t total = head_.bytes() + 2 * half_embedding_.size() + 4 * embedding_.size();
  for (const Layer& layer : layers_)
    total += layer.qkv.bytes() + layer.out.bytes() + layer.gate.bytes() + layer.up.bytes() +
             layer.down.bytes();
  return total;
}

void Decoder::set(const std::string& name, int index, const void* data, bool is_bfloat16) {
  const Spec& s = spec_;
  const auto vector = [&](std::vector<float>& to, int count, int first = 0, int whole = 0) {
    to.resize(std::max(whole, count));
    const Source from{data, is_bfloat16, 1, 0};
    for (int i = 0; i < count; ++i) to[first + i] = from.at(i, 0);
  };
  // Arrays lie with the outputs last; only the embedding, read as a head, has them first.
  const auto matrix = [&](Matrix& to, int outputs, int first = 0) {
    const Source from{data, is_bfloat16, static_cast<size_t>(outputs), 1};
    team_.run([&](Team::Member& member) {
      member.share(divide_up(outputs, kPanel), [&](int part) {
        const int begin = part * kPanel;
        const size_t skipped = static_cast<size_t>(begin) * (is_bfloat16 ? 2 : 4);
        const Source here{static_cast<const uint8_t*>(data) + skipped, is_bfloat16,
                          from.input_stride, 1};
        to.pack(here, first + begin, std::min(kPanel, outputs - begin));
      });
    });
  };
  const int q = query_size(s), k = key_size(s), whole = q + 2 * k;
  if (index < 0) {
    const size_t table = static_cast<size_t>(s.positions) * (s.rotary_size / 2);
    if (name == "final_norm_scale") return vector(final_norm_scale_, s.width);
    if (name == "final_norm_bias") return vector(final_norm_bias_, s.width);
    if (name == "head_bias") return vector(head_bias_, s.vocab_size);
    if (name == "cosine") return vector(cosine_, table);
    if (name == "sine") return vector(sine_, table);
    if (name == "head") return tied_ = false, matrix(head_, s.vocab_size);
    if (name == "embedding") {  // before "head", if there is one
      const size_t width = s.width, bytes = is_bfloat16 ? 2 : 4;
      team_.run([&](Team::Member& member) {
        member.share(divide_up(s.vocab_size, kPanel), [&](int part) {
          const size_t begin = static_cast<size_t>(part) * kPanel;
          const Source here{static_cast<const uint8_t*>(data) + begin * width * bytes, is_bfloat16,
                            1, width};
          head_.pack(here, begin, std::min<int>(kPanel, s.vocab_size - begin));
        });
      });
      return;
    }
    if (name == "untied_embedding") {
      const size_t count = static_cast<size_t>(s.vocab_size) * s.width;
      const Source from{data, is_bfloat16, 1, 0};
      if (half_cache()) {
        half_embedding_ = Memory<Bfloat16>(count);
        for (size_t i = 0; i < count; ++i) half_embedding_.data()[i] = to_bfloat16(from.at(i, 0));
      } else {
        embedding_ = Memory<float>(count);
        for (size_t i = 0; i < count; ++i) embedding_.data()[i] = from.at(i, 0);
      }
      return;
    }
    throw std::invalid_argument("no such array: " + name);
  }
  if (index >= s.layers) throw std::invalid_argument("no such layer");
  Layer& layer = layers_[index];
  if (name == "norm_scale") return vector(layer.norm_scale, s.width);
  if (name == "norm_bias") return vector(layer.norm_bias, s.width);
  if (name == "mlp_norm_scale") return vector(layer.mlp_norm_scale, s.width);
  if (name == "mlp_norm_bias") return vector(layer.mlp_norm_bias, s.width);
  if (name == "query_bias") return vector(layer.qkv_bias, q, 0, whole);
  if (name == "key_bias") return vector(layer.qkv_bias, k, q, whole);
  if (name == "value_bias") return vector(layer.qkv_bias, k, q + k, whole);
  if (name == "up_bias") return vector(layer.up_bias, s.feed_forward_width);
  if (name == "down_bias") return vector(layer.down_bias, s.width);
  if (name == "query") return matrix(layer.qkv, q);
  if (name == "key") return matrix(layer.qkv, k, q);
  if (name == "value") return matrix(layer.qkv, k, q + k);
  if (name == "attention_out") return matrix(layer.out, s.width);
  if (name == "gate" && !s.gelu) return matrix(layer.gate, s.feed_forward_width);
  if (name == "up") return matrix(layer.up, s.feed_forward_width);
  if (name == "down") return matrix(layer.down, s.width);
  throw std::invalid_argument("no such array of a layer: " + name);
}

std::vector<Decoder::Token> Decoder::real_tokens(const Batch& batch) const {
  std::vector<Token> found;
  for (int row = 0; row < batch.rows; ++row) {
    const int count = batch.counts[row], length = batch.lengths[row];
    if (count == 0) continue;
    if (count < 0 || count > batch.length)
      throw std::invalid_argument("a row's count is not between 0 and the tokens given");
    if (length < 0 || length > batch.caches[row].capacity - count)
      throw std::invalid_argument("a row's tokens do not fit its cache");
    if (length + count > spec_.positions)
      throw std::invalid_argument("a row is longer than the model's context");
    for (int t = 0; t < count; ++t) {
      const int place = row * batch.length + t;
      const int id = batch.tokens[place];
      if (id < 0 || id >= spec_.vocab_size)
        throw std::invalid_argument("a token is not in the vocabulary");
      found.push_back({id, row, length + t, place});
    }
  }
  return found;
}

void Decoder::extend(const Batch& batch) {
  const std::lock_guard<std::mutex> alone(busy_);
  const std::vector<Token> tokens = real_tokens(batch);
  if (batch.hidden != nullptr) {
    const size_t hidden = static_cast<size_t>(batch.rows) * batch.length * spec_.width;
    std::memset(batch.hidden, 0, hidden * sizeof(float));
  }
  int capacity = 0;
  for (int row = 0; row < batch.rows; ++row)
    capacity = std::max(capacity, batch.caches[row].capacity);
  const int pitch = divide_up(capacity, kLanes) * kLanes;
  if (pitch > scratch_pitch_) {
    const size_t each = static_cast<size_t>(kHeadsAtOnce) * pitch + 2 * spec_.width;
    scratch_ = Memory<float>(each * team_.size());
    scratch_pitch_ = pitch;
  }
  for (size_t begin = 0; begin < tokens.size(); begin += kChunk)
    read(tokens.data() + begin, std::min<size_t>(kChunk, tokens.size() - begin), batch);
}

void Decoder::read(const Token* tokens, int count, const Batch& batch) {
  const Spec& s = spec_;
  const int head = padded_head(), group = s.heads / s.kv_heads;
  const int q = query_size(s), k = key_size(s);
  const int qkv_pitch = padded(q + 2 * k), inner_pitch = padded(s.feed_forward_width);
  const size_t mixed_pitch = static_cast<size_t>(s.heads) * head;
  const float scale = 1.0f / std::sqrt(static_cast<float>(s.head_size));

  team_.run([&](Team::Member& member) {
    float* panel = panel_.data() + static_cast<size_t>(member.index()) * 2 * kChunk * kPanel;
    float* scores = scratch_.data() + static_cast<size_t>(member.index()) *
                                          (kHeadsAtOnce * scratch_pitch_ + 2 * s.width);
    float* row = scores + kHeadsAtOnce * scratch_pitch_;

    // Where a head of a row begins in the keys or values.
    const auto place = [&](const CacheRow& cache, int layer, int kv_head) {
      const size_t before =
          (static_cast<size_t>(layer) * cache.rows + cache.row) * s.kv_heads + kv_head;
      return before * cache.capacity * head;
    };
    const auto norm = [&](const std::vector<float>& weight, const std::vector<float>& bias) {
      member.share(count, [&](int i) {
        normalize(stream_.data() + static_cast<size_t>(i) * s.width, weight, bias, s.width,
                  s.layer_norm, s.norm_eps, row);
        normed_.set(i, row, s.width);
      });
    };
    // to[i][n] = product + bias, or the same added to what is there.
    const auto product = [&](const Rows& rows, const Matrix& matrix, const std::vector<float>& bias,
                             float* to, int pitch, bool add, auto&& activation) {
      member.share(matrix.panels, [&](int p) {
        panel_product(rows, count, matrix, p, panel);
        const int first = p * kPanel, here = std::min(kPanel, matrix.outputs - first);
        for (int i = 0; i < count; ++i) {
          float* from = panel + static_cast<size_t>(i) * kPanel;
          float* out = to + static_cast<size_t>(i) * pitch + first;
          if (!bias.empty())
            for (int n = 0; n < here; ++n) from[n] += bias[first + n];
          activation(from);
          if (add)
            for (int n = 0; n < here; ++n) out[n] += from[n];
          else
            std::memcpy(out, from, here * sizeof(float));
        }
      });
    };
    const auto plain = [](float*) {};

    member.share(count, [&](int i) {
      float* x = stream_.data() + static_cast<size_t>(i) * s.width;
      const size_t from = static_cast<size_t>(tokens[i].id) * s.width;
      if (tied_)
        head_.unpack(tokens[i].id, x);
      else if (half_cache())
        for (int d = 0; d < s.width; ++d) x[d] = to_float(half_embedding_.data()[from + d]);
      else
        std::memcpy(x, embedding_.data() + from, s.width * sizeof(float));
    });

    for (int index = 0; index < s.layers; ++index) {
      const Layer& layer = layers_[index];
      norm(layer.norm_scale, layer.norm_bias);
      product(normed_, layer.qkv, layer.qkv_bias, qkv_.data(), qkv_pitch, false, plain);
      // All keys and values first: a token attends to those that are read with it.
      member.share(count, [&](int i) {
        float* x = qkv_.data() + static_cast<size_t>(i) * qkv_pitch;
        const Token& token = tokens[i];
        const size_t at = static_cast<size_t>(token.position) * (s.rotary_size / 2);
        for (int n = 0; n < s.heads + s.kv_heads; ++n)
          rotate(x + n * s.head_size, cosine_.data() + at, sine_.data() + at, s.rotary_size,
                 s.rotary_adjacent);
        const CacheRow& cache = batch.caches[token.row];
        const auto keep_all = [&](auto* to, const float* from) {
          for (int n = 0; n < s.kv_heads; ++n)
            keep(from + n * s.head_size, s.head_size, head,
                 to + place(cache, index, n) + static_cast<size_t>(token.position) * head);
        };
        if (half_cache()) {
          keep_all(static_cast<Bfloat16*>(cache.keys), x + q);
          keep_all(static_cast<Bfloat16*>(cache.values), x + q + k);
        } else {
          keep_all(static_cast<float*>(cache.keys), x + q);
          keep_all(static_cast<float*>(cache.values), x + q + k);
        }
      });
      member.share(count * s.kv_heads, [&](int unit) {
        const int i = unit / s.kv_heads, kv_head = unit % s.kv_heads;
        const Token& token = tokens[i];
        float* mixed = mixed_.data() + i * mixed_pitch + static_cast<size_t>(kv_head) * group * head;
        const float* from =
            qkv_.data() + static_cast<size_t>(i) * qkv_pitch + kv_head * group * s.head_size;
        // The queries wait, padded, where their mixed values will be.
        for (int g = 0; g < group; ++g)
          keep(from + g * s.head_size, s.head_size, head, mixed + static_cast<size_t>(g) * head);
        const CacheRow& cache = batch.caches[token.row];
        const size_t at = place(cache, index, kv_head);
        const auto run = [&](auto* keys, auto* values) {
          attend(mixed, group, keys + at, values + at, vectors_, token.position + 1, scale, scores,
                 scratch_pitch_, mixed);
        };
        if (half_cache())
          run(static_cast<const Bfloat16*>(cache.keys), static_cast<const Bfloat16*>(cache.values));
        else
          run(static_cast<const float*>(cache.keys), static_cast<const float*>(cache.values));
      });
      member.share(count, [&](int i) {
        const float* mixed = mixed_.data() + i * mixed_pitch;
        float* dense = qkv_.data() + static_cast<size_t>(i) * qkv_pitch;  // free again
        for (int n = 0; n < s.heads; ++n)
          std::memcpy(dense + n * s.head_size, mixed + static_cast<size_t>(n) * head,
                      s.head_size * sizeof(float));
        mixed_rows_.set(i, dense, q);
      });
      product(mixed_rows_, layer.out, {}, stream_.data(), s.width, true, plain);
      if (!s.parallel) norm(layer.mlp_norm_scale, layer.mlp_norm_bias);
      if (s.gelu) {
        product(normed_, layer.up, layer.up_bias, inner_.data(), inner_pitch, false, [](float* x) {
          for (int n = 0; n < kPanel; n += kLanes) store(x + n, gelu(load(x + n)));
        });
      } else {
        member.share(layer.up.panels, [&](int p) {
          float* gates = panel + static_cast<size_t>(kChunk) * kPanel;
          panel_product(normed_, count, layer.gate, p, gates);
          panel_product(normed_, count, layer.up, p, panel);
          for (int i = 0; i < count; ++i)
            for (int n = 0; n < kPanel; n += kLanes) {
              const int at = i * kPanel + n;
              store(inner_.data() + static_cast<size_t>(i) * inner_pitch + p * kPanel + n,
                    silu(load(gates + at)) * load(panel + at));
            }
        });
      }
      member.share(count, [&](int i) {
        inner_rows_.set(i, inner_.data() + static_cast<size_t>(i) * inner_pitch,
                        s.feed_forward_width);
      });
      product(inner_rows_, layer.down, layer.down_bias, stream_.data(), s.width, true, plain);
    }
    if (batch.hidden == nullptr) return;
    member.share(count, [&](int i) {
      normalize(stream_.data() + static_cast<size_t>(i) * s.width, final_norm_scale_,
                final_norm_bias_, s.width, s.layer_norm, s.norm_eps,
                batch.hidden + static_cast<size_t>(tokens[i].place) * s.width);
    });
  });
}

void Decoder::logits(const float* hidden, int rows, float* logits) {
  const std::lock_guard<std::mutex> alone(busy_);
  for (int begin = 0; begin < rows; begin += kChunk) {
    const int count = std::min(kChunk, rows - begin);
    team_.run([&](Team::Member& member) {
      float* panel = panel_.data() + static_cast<size_t>(member.index()) * 2 * kChunk * kPanel;
      member.share(count, [&](int i) {
        normed_.set(i, hidden + static_cast<size_t>(begin + i) * spec_.width, spec_.width);
      });
      member.share(head_.panels, [&](int p) {
        panel_product(normed_, count, head_, p, panel);
        const int first = p * kPanel, here = std::min(kPanel, head_.outputs - first);
        for (int i = 0; i < count; ++i) {
          float* from = panel + static_cast<size_t>(i) * kPanel;
          if (!head_bias_.empty())
            for (int n = 0; n < here; ++n) from[n] += head_bias_[first + n];
          std::memcpy(logits + static_cast<size_t>(begin + i) * spec_.vocab_size + first, from,
                      here * sizeof(float));
        }
      });
    });
  }
}

void Decoder::rank(const Ranking& ranking) {
  const std::lock_guard<std::mutex> alone(busy_);
  std::vector<RowRanker> rankers(team_.size(), RowRanker(ranking.size, ranking.candidates));
  team_.run([&](Team::Member& member) {
    member.share(ranking.rows, [&](int row) { rankers[member.index()].rank(ranking, row); });
  });
}

}  // namespace mt
