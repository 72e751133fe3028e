// The working memory of a decoder. Every size is here, and nowhere else.
#pragma once

#include <vector>

#include "attention.h"
#include "decoder_config.h"

namespace mt {

constexpr int kMaxChunk = 128;  // tokens that go through the layers together

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
  QueryTile tile;
};

struct Scratch {
  Scratch(const DecoderConfig& c, int threads)
      : residual(c.d_model),
        qkv(round_up(c.qkv_size(), kPanel)),
        attention(c.query_size()),
        mlp(round_up(c.mlp_dim, kPanel)),
        packed_hidden(kMaxChunk, c.d_model, c.type()),
        packed_attention(kMaxChunk, c.query_size(), c.type()),
        packed_mlp(kMaxChunk, c.mlp_dim, c.type()),
        workers(threads) {
    for (WorkerScratch& worker : workers) {
      worker.panel = AlignedBuffer<float>(kMaxChunk * kPanel);
      worker.gate_panel = AlignedBuffer<float>(kMaxChunk * kPanel);
      worker.row = AlignedBuffer<float>(c.d_model);
      worker.tile = QueryTile(c.head_dim, c.padded_head());
    }
  }

  TokenRows residual;   // the residual stream
  TokenRows qkv;        // queries, keys and values
  TokenRows attention;  // the outputs of all heads
  TokenRows mlp;
  PackedActivations packed_hidden, packed_attention, packed_mlp;
  std::vector<WorkerScratch> workers;
};

}  // namespace mt
