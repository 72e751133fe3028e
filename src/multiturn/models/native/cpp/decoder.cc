#include "decoder.h"

#include <algorithm>
#include <cmath>

#include "gemm.h"

namespace mt {
namespace {

// LayerNorm (if `centered`) or RMSNorm of one row, in float32.
void normalize(const float* x, const std::vector<float>& scale, const std::vector<float>& bias,
               int width, bool centered, float eps, float* out) {
  float mean = 0;
  if (centered) {
    double total = 0;
    for (int d = 0; d < width; ++d) total += x[d];
    mean = static_cast<float>(total / width);
  }
  Floats squares = {};
  int d = 0;
  for (; d + kLanes <= width; d += kLanes) {
    const Floats difference = load(x + d) - mean;
    squares += difference * difference;
  }
  float rest = 0;
  for (; d < width; ++d) rest += (x[d] - mean) * (x[d] - mean);
  const float inverse =
      1.0f / std::sqrt((reduce_sum(squares) + rest) / static_cast<float>(width) + eps);
  for (d = 0; d < width; ++d) out[d] = (x[d] - mean) * inverse * scale[d];
  if (!bias.empty())
    for (d = 0; d < width; ++d) out[d] += bias[d];
}

// Rotary position embedding of one head, in place.
void apply_rope(float* head, const float* cosine, const float* sine, int pairs, bool interleaved) {
  for (int i = 0; i < pairs; ++i) {
    float& first = head[interleaved ? 2 * i : i];
    float& second = head[interleaved ? 2 * i + 1 : i + pairs];
    const float a = first, b = second;
    first = a * cosine[i] - b * sine[i];
    second = b * cosine[i] + a * sine[i];
  }
}

// Stores one head followed by zeros, so that readers need no tail loop.
template <class T>
void store_padded(const float* head, int size, int padded_size, T* to) {
  for (int h = 0; h < padded_size; h += kLanes) {
    Floats x = {};
    for (int lane = 0; lane < kLanes && h + lane < size; ++lane) x[lane] = head[h + lane];
    store(to + h, x);
  }
}

void add_bias(const std::vector<float>& bias, int first, int count, float* to) {
  if (bias.empty()) return;
  for (int n = 0; n < count; ++n) to[n] += bias[first + n];
}

}  // namespace

Decoder::Decoder(const DecoderConfig& config)
    : config_(config), pool_(config.threads), weights_(config), scratch_(config, pool_.size()) {}

void Decoder::set(const std::string& name, int layer, const void* data, bool is_bfloat16,
                  int64_t elements) {
  const std::lock_guard<std::mutex> lock(mutex_);
  weights_.set(pool_, name, layer, data, is_bfloat16, elements);
}

std::vector<Decoder::Token> Decoder::real_tokens(const Batch& batch) const {
  std::vector<Token> tokens;
  for (int row = 0; row < batch.rows; ++row) {
    const int count = batch.counts[row], length = batch.lengths[row];
    if (count == 0) continue;
    if (count < 0 || count > batch.length)
      throw std::invalid_argument("a row's count is not between 0 and the tokens given");
    if (length < 0 || length > batch.caches[row].capacity - count)
      throw std::invalid_argument("a row's tokens do not fit its cache");
    if (length + count > config_.max_seq_len)
      throw std::invalid_argument("a row is longer than the model's context");
    for (int t = 0; t < count; ++t) {
      const int64_t index = static_cast<int64_t>(row) * batch.length + t;
      const int id = batch.tokens[index];
      if (id < 0 || id >= config_.vocab_size)
        throw std::invalid_argument("a token is not in the vocabulary");
      tokens.push_back({id, row, length + t, index});
    }
  }
  return tokens;
}

// One worker's part in the forward pass of up to kMaxChunk tokens. All workers call the same
// methods in the same order; each method ends with a barrier.
class Decoder::ChunkForward {
 public:
  ChunkForward(Decoder& decoder, Worker& worker, const Token* tokens, int count, const Batch& batch)
      : c_(decoder.config_),
        weights_(decoder.weights_),
        scratch_(decoder.scratch_),
        mine_(decoder.scratch_.workers[worker.index()]),
        worker_(worker),
        tokens_(tokens),
        count_(count),
        batch_(batch) {}

  void embed() {
    worker_.parallel_for(count_, [&](int i) {
      float* x = scratch_.residual.row(i);
      if (weights_.embedding.empty())
        weights_.head.unpack(tokens_[i].id, x);
      else
        weights_.embedding.lookup(tokens_[i].id, c_.d_model, x);
    });
  }

  void attention_block(int layer) {
    const LayerWeights& w = weights_.layers[layer];
    norm(w.norm_scale, w.norm_bias);
    gemm(scratch_.packed_hidden, w.qkv, w.qkv_bias, scratch_.qkv, kReplace);
    if (c_.bfloat16_cache()) {
      write_cache<Bfloat16>(layer);
      attention<Bfloat16>(layer);
    } else {
      write_cache<float>(layer);
      attention<float>(layer);
    }
    pack_attention();
    gemm(scratch_.packed_attention, w.out, {}, scratch_.residual, kAdd);
  }

  void mlp_block(int layer) {
    const LayerWeights& w = weights_.layers[layer];
    if (!c_.parallel_residual) norm(w.mlp_norm_scale, w.mlp_norm_bias);
    if (c_.gelu)
      gemm(scratch_.packed_hidden, w.up, w.up_bias, scratch_.mlp, kReplaceByGelu);
    else
      gated_gemm(w);
    worker_.parallel_for(
        count_, [&](int i) { scratch_.packed_mlp.set(i, scratch_.mlp.row(i), c_.mlp_dim); });
    gemm(scratch_.packed_mlp, w.down, w.down_bias, scratch_.residual, kAdd);
  }

  void final_norm() {
    worker_.parallel_for(count_, [&](int i) {
      normalize(scratch_.residual.row(i), weights_.final_norm_scale, weights_.final_norm_bias,
                c_.d_model, c_.layer_norm, c_.norm_eps,
                batch_.hidden + tokens_[i].index * c_.d_model);
    });
  }

 private:
  enum Epilogue { kReplace, kReplaceByGelu, kAdd };

  // packed_hidden = the normalized residual stream.
  void norm(const std::vector<float>& scale, const std::vector<float>& bias) {
    worker_.parallel_for(count_, [&](int i) {
      float* row = mine_.row.data();
      normalize(scratch_.residual.row(i), scale, bias, c_.d_model, c_.layer_norm, c_.norm_eps, row);
      scratch_.packed_hidden.set(i, row, c_.d_model);
    });
  }

  // out = activations times weights, plus bias; or the same added to `out`.
  void gemm(const PackedActivations& activations, const PackedWeights& weights,
            const std::vector<float>& bias, TokenRows& out, Epilogue epilogue) {
    worker_.parallel_for(weights.panels(), [&](int p) {
      float* panel = mine_.panel.data();
      gemm_panel(activations, count_, weights, p, panel);
      const int first = p * kPanel;
      const int width = std::min(kPanel, weights.outputs() - first);
      for (int i = 0; i < count_; ++i) {
        float* from = panel + static_cast<size_t>(i) * kPanel;
        float* to = out.row(i) + first;
        add_bias(bias, first, width, from);
        if (epilogue == kReplaceByGelu)
          for (int n = 0; n < kPanel; n += kLanes) store(from + n, gelu(load(from + n)));
        if (epilogue == kAdd)
          for (int n = 0; n < width; ++n) to[n] += from[n];
        else
          std::memcpy(to, from, width * sizeof(float));
      }
    });
  }

  // mlp = silu(hidden times gate) * (hidden times up).
  void gated_gemm(const LayerWeights& w) {
    worker_.parallel_for(w.up.panels(), [&](int p) {
      float* gates = mine_.gate_panel.data();
      float* ups = mine_.panel.data();
      gemm_panel(scratch_.packed_hidden, count_, w.gate, p, gates);
      gemm_panel(scratch_.packed_hidden, count_, w.up, p, ups);
      for (int i = 0; i < count_; ++i) {
        float* to = scratch_.mlp.row(i) + p * kPanel;
        for (int n = 0; n < kPanel; n += kLanes) {
          const int at = i * kPanel + n;
          store(to + n, silu(load(gates + at)) * load(ups + at));
        }
      }
    });
  }

  // Where one head of one sequence begins in the keys or values.
  size_t kv_offset(const CacheRow& cache, int layer, int kv_head) const {
    const size_t row = static_cast<size_t>(layer) * cache.rows + cache.row;
    return (row * c_.kv_heads + kv_head) * cache.capacity * c_.padded_head();
  }

  // Rotates queries and keys, and stores keys and values. All tokens of the chunk do so before any
  // of them attends, because tokens attend to earlier tokens of the same chunk.
  template <class T>
  void write_cache(int layer) {
    worker_.parallel_for(count_, [&](int i) {
      const Token& token = tokens_[i];
      const CacheRow& cache = batch_.caches[token.row];
      float* queries = scratch_.qkv.row(i);
      float* keys = queries + c_.query_size();
      float* values = keys + c_.kv_size();
      const size_t angles = token.position * c_.rotary_pairs();
      for (int n = 0; n < c_.heads + c_.kv_heads; ++n)
        apply_rope(queries + n * c_.head_dim, weights_.cosine.data() + angles,
                   weights_.sine.data() + angles, c_.rotary_dim / 2, c_.interleaved_rope);
      for (int n = 0; n < c_.kv_heads; ++n) {
        const size_t at =
            kv_offset(cache, layer, n) + static_cast<size_t>(token.position) * c_.padded_head();
        store_padded(keys + n * c_.head_dim, c_.head_dim, c_.padded_head(),
                     static_cast<T*>(cache.keys) + at);
        store_padded(values + n * c_.head_dim, c_.head_dim, c_.padded_head(),
                     static_cast<T*>(cache.values) + at);
      }
    });
  }

  template <class T>
  void attention(int layer) {
    const float scale = 1.0f / std::sqrt(static_cast<float>(c_.head_dim));
    const int head = c_.padded_head(), group = c_.group();
    worker_.parallel_for(count_ * c_.kv_heads, [&](int unit) {
      const int i = unit / c_.kv_heads, kv_head = unit % c_.kv_heads;
      const Token& token = tokens_[i];
      const CacheRow& cache = batch_.caches[token.row];
      const float* queries = scratch_.qkv.row(i) + kv_head * group * c_.head_dim;
      float* out = scratch_.attention.row(i) + kv_head * group * head;
      for (int g = 0; g < group; ++g)
        store_padded(queries + g * c_.head_dim, c_.head_dim, head, out + g * head);
      const size_t at = kv_offset(cache, layer, kv_head);
      attend(out, group, static_cast<const T*>(cache.keys) + at,
             static_cast<const T*>(cache.values) + at, c_.head_vectors(), token.position + 1, scale,
             mine_.scores.data(), scratch_.score_stride, out);
    });
  }

  // packed_attention = the attention outputs without their padding.
  void pack_attention() {
    worker_.parallel_for(count_, [&](int i) {
      const float* padded = scratch_.attention.row(i);
      float* dense = scratch_.qkv.row(i);  // the queries are no longer needed
      for (int n = 0; n < c_.heads; ++n)
        std::memcpy(dense + n * c_.head_dim, padded + n * c_.padded_head(),
                    c_.head_dim * sizeof(float));
      scratch_.packed_attention.set(i, dense, c_.query_size());
    });
  }

  const DecoderConfig& c_;
  const Weights& weights_;
  Scratch& scratch_;
  WorkerScratch& mine_;
  Worker& worker_;
  const Token* tokens_;
  const int count_;
  const Batch& batch_;
};

void Decoder::forward(const Batch& batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::vector<Token> tokens = real_tokens(batch);
  if (batch.hidden != nullptr) {
    const size_t states = static_cast<size_t>(batch.rows) * batch.length * config_.d_model;
    std::memset(batch.hidden, 0, states * sizeof(float));
  }
  for (int row = 0; row < batch.rows; ++row) scratch_.reserve(batch.caches[row].capacity);
  for (size_t begin = 0; begin < tokens.size(); begin += kMaxChunk) {
    const int count = static_cast<int>(std::min<size_t>(kMaxChunk, tokens.size() - begin));
    pool_.run([&](Worker& worker) {
      ChunkForward chunk(*this, worker, tokens.data() + begin, count, batch);
      chunk.embed();
      for (int layer = 0; layer < config_.layers; ++layer) {
        chunk.attention_block(layer);
        chunk.mlp_block(layer);
      }
      if (batch.hidden != nullptr) chunk.final_norm();
    });
  }
}

void Decoder::unembed(const float* hidden, int rows, float* logits) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const size_t width = config_.d_model, vocab = config_.vocab_size;
  const PackedWeights& head = weights_.head;
  for (int begin = 0; begin < rows; begin += kMaxChunk) {
    const int count = std::min(kMaxChunk, rows - begin);
    pool_.run([&](Worker& worker) {
      float* panel = scratch_.workers[worker.index()].panel.data();
      worker.parallel_for(count, [&](int i) {
        scratch_.packed_hidden.set(i, hidden + (begin + i) * width, config_.d_model);
      });
      worker.parallel_for(head.panels(), [&](int p) {
        gemm_panel(scratch_.packed_hidden, count, head, p, panel);
        const int first = p * kPanel;
        const int outputs = std::min(kPanel, head.outputs() - first);
        for (int i = 0; i < count; ++i) {
          float* from = panel + static_cast<size_t>(i) * kPanel;
          add_bias(weights_.head_bias, first, outputs, from);
          std::memcpy(logits + (begin + i) * vocab + first, from, outputs * sizeof(float));
        }
      });
    });
  }
}

void Decoder::find_top_candidates(const TopCandidates& batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<CandidateFinder> finders(pool_.size(),
                                       CandidateFinder(batch.vocab_size, batch.candidates));
  pool_.run([&](Worker& worker) {
    worker.parallel_for(batch.rows, [&](int row) { finders[worker.index()].find(batch, row); });
  });
}

}  // namespace mt
