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
    const Floats difference = load(x + d) - broadcast(mean);
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

// Tokens that go through the layers together, and how their attention is divided.
struct Decoder::Chunk {
  // Some queries of tokens of one row: `rows` of them, from query `first` of places[place] on. The
  // queries of a token are its heads that share a KV head.
  struct Tile {
    int place, first, rows;
  };
  // Neighbours in one row whose positions are in one group of the KV cache.
  struct Segment {
    int token, count;
  };

  Chunk(const DecoderConfig& config, const Token* tokens, int count, const Batch& batch)
      : tokens(tokens), count(count), batch(batch) {
    for (int i = 0; i < count; ++i) {
      all.push_back(i);
      if (tokens[i].hidden != nullptr) wanted.push_back(i);
      const bool joins = i > 0 && tokens[i].row == tokens[i - 1].row;
      one_each &= !joins;
      if (joins && tokens[i].position % kAttentionGroup != 0)
        ++segments.back().count;
      else
        segments.push_back({i, 1});
    }
    one_each &= config.group() <= kQueryRows;
    tiles = query_tiles(all, config.group());
    wanted_tiles = query_tiles(wanted, config.group());
  }

  std::vector<Tile> query_tiles(const std::vector<int>& places, int group) const {
    std::vector<Tile> found;
    const int size = static_cast<int>(places.size());
    for (int begin = 0, end; begin < size; begin = end) {
      const int row = tokens[places[begin]].row;
      for (end = begin + 1; end < size && tokens[places[end]].row == row;) ++end;
      const int queries = (end - begin) * group;
      // Tiles of nearly equal size.
      const int count = ceil_div(queries, kQueryRows);
      for (int tile = 0, first = 0; tile < count; ++tile) {
        const int rows = ceil_div(queries - first, count - tile);
        found.push_back({begin + first / group, first % group, rows});
        first += rows;
      }
    }
    return found;
  }

  const Token* tokens;
  int count;
  const Batch& batch;
  std::vector<int> all,
      wanted;  // tokens of the chunk: every one, and those whose states are wanted
  std::vector<Segment> segments;
  std::vector<Tile> tiles, wanted_tiles;
  bool one_each = true;  // no row has a second token, and a token's queries fit one tile
};

// One worker's part in the forward pass of a chunk. All workers call the same methods in the same
// order; between their loops they read nothing that a loop writes.
class Decoder::ChunkForward {
 public:
  ChunkForward(Decoder& decoder, Worker& worker, const Chunk& chunk)
      : c_(decoder.config_),
        weights_(decoder.weights_),
        scratch_(decoder.scratch_),
        mine_(decoder.scratch_.workers[worker.index()]),
        worker_(worker),
        chunk_(chunk),
        layout_(decoder.config_),
        places_(&chunk.all) {
    mine_.few_loop = -1;
  }

  void forward() {
    embed();
    for (int layer = 0; layer < c_.layers; ++layer) {
      // Of the last layer other tokens need keys and values alone. With parallel branches the MLP
      // has its input from before the attention, where all tokens have theirs.
      const bool only_wanted = layer + 1 == c_.layers && !c_.parallel_residual &&
                               chunk_.wanted.size() < chunk_.all.size();
      attention_block(layer, only_wanted);
      mlp_block(layer);
    }
    final_norm();
  }

 private:
  using Tile = Chunk::Tile;

  // How many tokens are computed, and the residual stream of each of them.
  int count() const { return static_cast<int>(places_->size()); }
  float* residual(int place) { return scratch_.residual.row((*places_)[place]); }

  void embed() {
    worker_.parallel_for(chunk_.count, [&](int i) {
      float* x = scratch_.residual.row(i);
      if (weights_.embedding.empty())
        weights_.head.unpack(chunk_.tokens[i].id, x);
      else
        weights_.embedding.lookup(chunk_.tokens[i].id, c_.d_model, x);
    });
  }

  void attention_block(int layer, bool only_wanted) {
    const LayerWeights& w = weights_.layers[layer];
    normalized_gemm(w.norm_scale, w.norm_bias, w.qkv.panels(), [&](int p, const auto& hidden) {
      multiply_panel(hidden, w.qkv, p, w.qkv_bias, mine_.panel.data());
      const int first = w.qkv.panel(p).first, width = w.qkv.panel(p).outputs;
      for (int i = 0; i < count(); ++i)
        std::memcpy(scratch_.qkv.row(i) + first, panel_row(i), width * sizeof(float));
    });
    if (c_.bfloat16_cache())
      attention<Bfloat16>(layer, only_wanted);
    else
      attention<float>(layer, only_wanted);
    if (only_wanted) places_ = &chunk_.wanted;
    if (!packs_heads())
      worker_.parallel_for(count(), [&](int i) {
        scratch_.packed_attention.set(i, scratch_.attention.row(i), c_.query_size());
      });
    add_gemm(scratch_.packed_attention, w.out, {});
  }

  void mlp_block(int layer) {
    const LayerWeights& w = weights_.layers[layer];
    const auto gelu_panel = [&](int p, const PackedActivations& hidden) {
      multiply_panel(hidden, w.up, p, w.up_bias, mine_.panel.data());
      for (int i = 0; i < count(); ++i) {
        float* values = panel_row(i);
        for (int n = 0; n < kPanel; n += kLanes) store(values + n, gelu(load(values + n)));
        scratch_.packed_mlp.set_part(i, p * kPanel, values, w.up.panel(p).outputs);
      }
    };
    const auto gated_panel = [&](int p, const PackedActivations& hidden) {
      multiply_panel(hidden, w.gate, p, {}, mine_.gate_panel.data());
      multiply_panel(hidden, w.up, p, {}, mine_.panel.data());
      for (int i = 0; i < count(); ++i) {
        float* values = panel_row(i);
        const float* gates = mine_.gate_panel.data() + static_cast<size_t>(i) * kPanel;
        for (int n = 0; n < kPanel; n += kLanes)
          store(values + n, silu(load(gates + n)) * load(values + n));
        scratch_.packed_mlp.set_part(i, p * kPanel, values, w.up.panel(p).outputs);
      }
    };
    if (c_.parallel_residual) {
      // The attention's norm is also the MLP's; it was packed for all.
      worker_.parallel_for(w.up.panels(), [&](int p) {
        if (c_.gelu)
          gelu_panel(p, scratch_.packed_hidden);
        else
          gated_panel(p, scratch_.packed_hidden);
      });
    } else if (c_.gelu) {
      normalized_gemm(w.mlp_norm_scale, w.mlp_norm_bias, w.up.panels(), gelu_panel);
    } else {
      normalized_gemm(w.mlp_norm_scale, w.mlp_norm_bias, w.up.panels(), gated_panel);
    }
    add_gemm(scratch_.packed_mlp, w.down, w.down_bias);
  }

  void final_norm() {
    const std::vector<int>& wanted = chunk_.wanted;
    worker_.parallel_for(static_cast<int>(wanted.size()), [&](int place) {
      const int i = wanted[place];
      normalize(scratch_.residual.row(i), weights_.final_norm_scale, weights_.final_norm_bias,
                c_.d_model, c_.layer_norm, c_.norm_eps, chunk_.tokens[i].hidden);
    });
  }

  // Calls body(panel, activations) for each panel; the activations are the normalized residual
  // stream.
  template <class Body>
  void normalized_gemm(const std::vector<float>& scale, const std::vector<float>& bias, int panels,
                       Body&& body) {
    const auto pack = [&](int i, PackedActivations& to, int at) {
      float* row = mine_.row.data();
      normalize(residual(i), scale, bias, c_.d_model, c_.layer_norm, c_.norm_eps, row);
      to.set(at, row, c_.d_model);
    };
    if (count() > kFewTokens || c_.parallel_residual) {
      worker_.parallel_for(count(), [&](int i) { pack(i, scratch_.packed_hidden, i); });
      worker_.parallel_for(panels, [&](int p) { body(p, scratch_.packed_hidden); });
      return;
    }
    if (count() == 0) return;
    worker_.parallel_for(panels, [&](int p) {
      if (mine_.few_loop != worker_.loop()) {
        for (int i = 0; i < count(); ++i) pack(i, mine_.few, i);
        mine_.few_loop = worker_.loop();
      }
      body(p, mine_.few);
    });
  }

  float* panel_row(int i) { return mine_.panel.data() + static_cast<size_t>(i) * kPanel; }

  // out[i] = activations of token i times a panel of weights, plus bias.
  void multiply_panel(const PackedActivations& activations, const PackedWeights& weights, int p,
                      const std::vector<float>& bias, float* out) {
    gemm_panel(activations, count(), weights, p, out);
    if (bias.empty()) return;
    for (int i = 0; i < count(); ++i)
      add_bias(bias, weights.panel(p).first, weights.panel(p).outputs,
               out + static_cast<size_t>(i) * kPanel);
  }

  // Adds activations times weights, plus bias, to the residual stream.
  void add_gemm(const PackedActivations& activations, const PackedWeights& weights,
                const std::vector<float>& bias) {
    if (count() == 0) return;
    worker_.parallel_for(weights.panels(), [&](int p) {
      multiply_panel(activations, weights, p, bias, mine_.panel.data());
      for (int i = 0; i < count(); ++i) {
        float* to = residual(i) + weights.panel(p).first;
        for (int n = 0; n < weights.panel(p).outputs; ++n) to[n] += panel_row(i)[n];
      }
    });
  }

  const uint64_t* blocks_of(const Token& token) const {
    return chunk_.batch.blocks + static_cast<size_t>(token.row) * chunk_.batch.max_blocks;
  }

  // A query or key, rotated by its token's position.
  const float* rotated(const float* head, const Token& token) {
    float* to = mine_.head.data();
    std::memcpy(to, head, c_.head_dim * sizeof(float));
    const size_t angles = token.position * c_.rotary_pairs();
    apply_rope(to, weights_.cosine.data() + angles, weights_.sine.data() + angles,
               c_.rotary_dim / 2, c_.interleaved_rope);
    return to;
  }

  // Stores keys and values, then attends. All tokens of a row do the first before any of them does
  // the second, because tokens attend to earlier tokens of the same chunk.
  template <class T>
  void attention(int layer, bool only_wanted) {
    const std::vector<int>& places = only_wanted ? chunk_.wanted : chunk_.all;
    const std::vector<Tile>& tiles = only_wanted ? chunk_.wanted_tiles : chunk_.tiles;
    if (chunk_.one_each && !only_wanted) {
      worker_.parallel_for(chunk_.count * c_.kv_heads, [&](int unit) {
        const int i = unit / c_.kv_heads, kv_head = unit % c_.kv_heads;
        store_segment<T>({i, 1}, layer, kv_head);
        attend_tile<T>(tiles[i], places, layer, kv_head);
      });
      return;
    }
    worker_.parallel_for(static_cast<int>(chunk_.segments.size()) * c_.kv_heads, [&](int unit) {
      store_segment<T>(chunk_.segments[unit / c_.kv_heads], layer, unit % c_.kv_heads);
    });
    worker_.parallel_for(static_cast<int>(tiles.size()) * c_.kv_heads, [&](int unit) {
      // The long ones first: a later tile has more positions to attend to.
      const int index = static_cast<int>(tiles.size()) - 1 - unit / c_.kv_heads;
      attend_tile<T>(tiles[index], places, layer, unit % c_.kv_heads);
    });
  }

  template <class T>
  void store_segment(const Chunk::Segment& segment, int layer, int kv_head) {
    for (int i = segment.token; i < segment.token + segment.count; ++i) {
      const Token& token = chunk_.tokens[i];
      T* block = reinterpret_cast<T*>(blocks_of(token)[token.position / kBlockPositions]);
      const float* key = scratch_.qkv.row(i) + c_.query_size() + kv_head * c_.head_dim;
      store_position(rotated(key, token), key + c_.kv_size(), token.position % kBlockPositions,
                     layout_, block + layout_.keys(layer, kv_head),
                     block + layout_.values(layer, kv_head));
    }
  }

  // Whether the output of each head is full groups of activations, so that it can be packed alone.
  bool packs_heads() const { return c_.head_dim % kGroup == 0; }

  template <class T>
  void attend_tile(const Tile& where, const std::vector<int>& places, int layer, int kv_head) {
    constexpr float kLog2OfE = 1.44269504088896341f;
    const float scale = kLog2OfE / std::sqrt(static_cast<float>(c_.head_dim));
    const int group = c_.group();
    QueryTile& tile = mine_.tile;
    // The place of a row of the tile, and where its head begins among those of the token.
    const auto place_of = [&](int row) { return where.place + (where.first + row) / group; };
    const auto head_at = [&](int row) {
      return (kv_head * group + (where.first + row) % group) * c_.head_dim;
    };
    tile.rows = where.rows;
    for (int row = 0; row < where.rows; ++row) {
      const int i = places[place_of(row)];
      const Token& token = chunk_.tokens[i];
      tile.counts[row] = token.position + 1;
      set_query<T>(tile, row, rotated(scratch_.qkv.row(i) + head_at(row), token), scale, layout_);
    }
    attend<T>(tile, blocks_of(chunk_.tokens[places[where.place]]), layout_.keys(layer, kv_head),
              layout_.values(layer, kv_head), layout_);
    for (int row = 0; row < where.rows; ++row) {
      const float* output = tile.sums.data() + static_cast<size_t>(row) * c_.padded_head();
      if (packs_heads())
        scratch_.packed_attention.set_part(place_of(row), head_at(row), output, c_.head_dim);
      else
        std::memcpy(scratch_.attention.row(place_of(row)) + head_at(row), output,
                    c_.head_dim * sizeof(float));
    }
  }

  const DecoderConfig& c_;
  const Weights& weights_;
  Scratch& scratch_;
  WorkerScratch& mine_;
  Worker& worker_;
  const Chunk& chunk_;
  const BlockLayout layout_;
  const std::vector<int>* places_;  // the tokens that are computed: all, or at last those wanted
};

void Decoder::forward(const Batch& batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::vector<Token> tokens = checked_tokens(batch);
  for (size_t begin = 0; begin < tokens.size(); begin += kMaxChunk) {
    const int count = static_cast<int>(std::min<size_t>(kMaxChunk, tokens.size() - begin));
    const Chunk chunk(config_, tokens.data() + begin, count, batch);
    pool_.run([&](Worker& worker) { ChunkForward(*this, worker, chunk).forward(); });
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
