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

void add_bias(const std::vector<float>& bias, int first, int count, float* to) {
  if (bias.empty()) return;
  for (int n = 0; n < count; ++n) to[n] += bias[first + n];
}

}  // namespace

Decoder::Decoder(const DecoderConfig& config)
    : config_(config), pool_(config.threads), weights_(config), scratch_(config, pool_.size()) {}

void Decoder::set(const std::string& name, int layer, const void* data, int32_t type,
                  bool outputs_first, int64_t elements) {
  const std::lock_guard<std::mutex> lock(mutex_);
  weights_.set(pool_, name, layer, data, type, outputs_first, elements);
}

std::vector<Decoder::Token> Decoder::checked_tokens(const Batch& batch) const {
  std::vector<Token> tokens;
  float* hidden = batch.hidden;
  size_t index = 0;
  for (int row = 0; row < batch.rows; ++row) {
    const int count = batch.counts[row], length = batch.lengths[row];
    const uint64_t* blocks = batch.blocks + static_cast<size_t>(row) * batch.max_blocks;
    if (count < 0) throw std::invalid_argument("a row's count is negative");
    if (length < 0 || length > config_.max_seq_len - count)
      throw std::invalid_argument("a row is longer than the model's context");
    if (count == 0) continue;
    const int needed = ceil_div(length + count, kBlockPositions);
    if (needed > batch.max_blocks)
      throw std::invalid_argument("a row's tokens do not fit its cache");
    for (int block = 0; block < needed; ++block)
      if (blocks[block] == 0 || blocks[block] % kBlockAlignment != 0)
        throw std::invalid_argument("a block of a row's cache is missing or not aligned");
    for (int t = 0; t < count; ++t, ++index) {
      const int id = batch.tokens[index];
      if (id < 0 || id >= config_.vocab_size)
        throw std::invalid_argument("a token is not in the vocabulary");
      const bool wanted = batch.wanted[index] != 0;
      tokens.push_back({id, row, length + t, wanted ? hidden : nullptr});
      if (wanted) hidden += config_.d_model;
    }
  }
  return tokens;
}

std::vector<Decoder::Tile> Decoder::query_tiles(const Token* tokens, int count) const {
  std::vector<Tile> tiles;
  const int group = config_.group();
  for (int begin = 0, end; begin < count; begin = end) {
    for (end = begin + 1; end < count && tokens[end].row == tokens[begin].row;) ++end;
    const int queries = (end - begin) * group;
    for (int first = 0; first < queries; first += kQueryRows)
      tiles.push_back(
          {begin + first / group, first % group, std::min(kQueryRows, queries - first)});
  }
  return tiles;
}

// One worker's part in the forward pass of up to kMaxChunk tokens. All workers call the same
// methods in the same order; each method ends with a barrier.
class Decoder::ChunkForward {
 public:
  ChunkForward(Decoder& decoder, Worker& worker, const Token* tokens, int count,
               const std::vector<Tile>& tiles, const Batch& batch)
      : c_(decoder.config_),
        weights_(decoder.weights_),
        scratch_(decoder.scratch_),
        mine_(decoder.scratch_.workers[worker.index()]),
        worker_(worker),
        tokens_(tokens),
        count_(count),
        tiles_(tiles),
        layout_(decoder.config_),
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
      if (tokens_[i].hidden != nullptr)
        normalize(scratch_.residual.row(i), weights_.final_norm_scale, weights_.final_norm_bias,
                  c_.d_model, c_.layer_norm, c_.norm_eps, tokens_[i].hidden);
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
      const int first = weights.panel(p).first, width = weights.panel(p).outputs;
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

  const uint64_t* blocks_of(const Token& token) const {
    return batch_.blocks + static_cast<size_t>(token.row) * batch_.max_blocks;
  }

  // Rotates queries and keys, and stores keys and values. All tokens of the chunk do so before any
  // of them attends, because tokens attend to earlier tokens of the same chunk.
  template <class T>
  void write_cache(int layer) {
    worker_.parallel_for(count_, [&](int i) {
      const Token& token = tokens_[i];
      T* block = reinterpret_cast<T*>(blocks_of(token)[token.position / kBlockPositions]);
      const int position = token.position % kBlockPositions;
      float* queries = scratch_.qkv.row(i);
      const float* keys = queries + c_.query_size();
      const float* values = keys + c_.kv_size();
      const size_t angles = token.position * c_.rotary_pairs();
      for (int n = 0; n < c_.heads + c_.kv_heads; ++n)
        apply_rope(queries + n * c_.head_dim, weights_.cosine.data() + angles,
                   weights_.sine.data() + angles, c_.rotary_dim / 2, c_.interleaved_rope);
      for (int n = 0; n < c_.kv_heads; ++n) {
        store_key(keys + n * c_.head_dim, c_.head_dim, position, block + layout_.keys(layer, n));
        store_value(values + n * c_.head_dim, c_.head_dim, c_.padded_head(), position,
                    block + layout_.values(layer, n));
      }
    });
  }

  template <class T>
  void attention(int layer) {
    worker_.parallel_for(static_cast<int>(tiles_.size()) * c_.kv_heads, [&](int unit) {
      attend_tile<T>(tiles_[unit / c_.kv_heads], layer, unit % c_.kv_heads);
    });
  }

  template <class T>
  void attend_tile(const Tile& place, int layer, int kv_head) {
    const float scale = 1.0f / std::sqrt(static_cast<float>(c_.head_dim));
    const int group = c_.group();
    QueryTile& tile = mine_.tile;
    // The token of a row of the tile, and where its head begins among those of the token.
    const auto token_of = [&](int row) { return place.token + (place.first + row) / group; };
    const auto head_at = [&](int row) {
      return (kv_head * group + (place.first + row) % group) * c_.head_dim;
    };
    tile.rows = place.rows;
    for (int row = 0; row < place.rows; ++row) {
      const int i = token_of(row);
      tile.counts[row] = tokens_[i].position + 1;
      const float* query = scratch_.qkv.row(i) + head_at(row);
      float* to = tile.queries.data() + static_cast<size_t>(row) * c_.head_dim;
      for (int h = 0; h < c_.head_dim; ++h) to[h] = query[h] * scale;
    }
    attend<T>(tile, blocks_of(tokens_[place.token]), layout_.keys(layer, kv_head),
              layout_.values(layer, kv_head), c_.head_dim, c_.padded_head());
    for (int row = 0; row < place.rows; ++row)
      std::memcpy(scratch_.attention.row(token_of(row)) + head_at(row),
                  tile.sums.data() + static_cast<size_t>(row) * c_.padded_head(),
                  c_.head_dim * sizeof(float));
  }

  void pack_attention() {
    worker_.parallel_for(count_, [&](int i) {
      scratch_.packed_attention.set(i, scratch_.attention.row(i), c_.query_size());
    });
  }

  const DecoderConfig& c_;
  const Weights& weights_;
  Scratch& scratch_;
  WorkerScratch& mine_;
  Worker& worker_;
  const Token* tokens_;
  const int count_;
  const std::vector<Tile>& tiles_;
  const BlockLayout layout_;
  const Batch& batch_;
};

void Decoder::forward(const Batch& batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::vector<Token> tokens = checked_tokens(batch);
  for (size_t begin = 0; begin < tokens.size(); begin += kMaxChunk) {
    const int count = static_cast<int>(std::min<size_t>(kMaxChunk, tokens.size() - begin));
    const std::vector<Tile> tiles = query_tiles(tokens.data() + begin, count);
    pool_.run([&](Worker& worker) {
      ChunkForward chunk(*this, worker, tokens.data() + begin, count, tiles, batch);
      chunk.embed();
      for (int layer = 0; layer < config_.layers; ++layer) {
        chunk.attention_block(layer);
        chunk.mlp_block(layer);
      }
      chunk.final_norm();
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
        const int first = head.panel(p).first, outputs = head.panel(p).outputs;
        for (int i = 0; i < count; ++i) {
          float* from = panel + static_cast<size_t>(i) * kPanel;
          add_bias(weights_.head_bias, first, outputs, from);
          std::memcpy(logits + (begin + i) * vocab + first, from, outputs * sizeof(float));
        }
      });
    });
  }
}

void Decoder::sample(const Sampling& batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Sampler> samplers(pool_.size(), Sampler(config_.vocab_size));
  pool_.run([&](Worker& worker) {
    worker.parallel_for(batch.rows, [&](int row) { samplers[worker.index()].sample(batch, row); });
  });
}

}  // namespace mt
