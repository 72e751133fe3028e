// The working memory of a decoder. Every size is here, and nowhere else.
#pragma once

#include <vector>

#include "attention.h"
#include "decoder_config.h"

namespace mt {

constexpr int kMaxChunk = 256;  // tokens that go through the layers together
// Up to so many tokens each thread prepares for itself what it multiplies: that takes less time
// than waiting for each other.
constexpr int kFewTokens = 4;

// A matrix of floats: a row for each token of a chunk.
class TokenRows {
 public:
  TokenRows() = default;
  explicit TokenRows(int width) : stride_(width), floats_(static_cast<size_t>(kMaxChunk) * width) {}

  int stride() const { return stride_; }
  float* row(int token) { return floats_.data() + static_cast<size_t>(token) * stride_; }

 private:
  int stride_ = 0;
  AlignedBuffer<float> floats_;
};

// What one thread writes.
struct WorkerScratch {
  AlignedBuffer<float> panel, gate_panel;  // products of a chunk with one panel of weights
  AlignedBuffer<float> row;                // one normalized token
  AlignedBuffer<float> head;               // one rotated query or key
  QueryTile tile;
  PackedActivations few;  // of a loop over a few tokens
  int64_t few_loop = -1;  // which loop that is
};

struct Scratch {
  Scratch(const DecoderConfig& c, int threads)
      : residual(c.d_model),
        qkv(round_up(c.qkv_size(), kPanel)),
        attention(c.query_size()),
        packed_hidden(kMaxChunk, c.d_model, c.type()),
        packed_attention(kMaxChunk, c.query_size(), c.type()),
        packed_mlp(kMaxChunk, c.mlp_dim, c.type()),
        workers(threads) {
    for (WorkerScratch& worker : workers) {
      worker.panel = AlignedBuffer<float>(kMaxChunk * kPanel);
      worker.gate_panel = AlignedBuffer<float>(kMaxChunk * kPanel);
      worker.row = AlignedBuffer<float>(c.d_model);
      worker.head = AlignedBuffer<float>(c.head_dim);
      worker.tile = QueryTile(BlockLayout(c));
      worker.few = PackedActivations(kFewTokens, std::max(c.d_model, c.query_size()), c.type());
    }
  }

  TokenRows residual;   // the residual stream
  TokenRows qkv;        // queries, keys and values
  TokenRows attention;  // the outputs of all heads, where they cannot be packed one by one
  PackedActivations packed_hidden, packed_attention, packed_mlp;
  std::vector<WorkerScratch> workers;
};

}  // namespace mt
