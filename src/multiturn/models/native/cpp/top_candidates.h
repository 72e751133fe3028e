// What sampling needs from a row of logits: the most likely tokens, and the sum of exponentials.
// models/sampling.py chooses the next token from these.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "vectors.h"

namespace mt {

// Rows of logits, what to compute for each, and where to put it. Shapes are in the comments.
struct TopCandidates {
  int rows, vocab_size, candidates;  // B, V, C
  const float* logits;               // B V
  const float* scales;               // B: one over the temperature
  const int32_t* want_candidates;    // B: 0 for the most likely token alone
  const int32_t* want_logprobs;      // B: 0 if the row needs no `logsumexp`
  float* values;                     // B C: greatest first, ties by id; then -inf
  int32_t* ids;                      // B C
  float* scaled_logsumexp;           // B: log of the sum of e^(scale (x - greatest)); or 0
  float* logsumexp;                  // B: log of the sum of e^x; or 0
};

// Works on one row at a time; one for each thread.
class CandidateFinder {
 public:
  CandidateFinder(int vocab_size, int candidates)
      : vocab_size_(vocab_size),
        candidates_(candidates),
        maxima_(ceil_div(vocab_size, kBlock)),
        keys_(maxima_.size()),
        found_(std::max(4 * candidates, 4096)) {}

  void find(const TopCandidates& batch, int row) {
    logits_ = batch.logits + static_cast<size_t>(row) * vocab_size_;
    float* values = batch.values + static_cast<size_t>(row) * candidates_;
    int32_t* ids = batch.ids + static_cast<size_t>(row) * candidates_;
    std::fill(values, values + candidates_, -std::numeric_limits<float>::infinity());
    std::fill(ids, ids + candidates_, 0);
    greatest_ = compute_maxima();
    if (batch.want_candidates[row]) {
      find_candidates(values, ids);
    } else {
      values[0] = greatest_;
      ids[0] = argmax();
    }
    batch.scaled_logsumexp[row] =
        batch.want_candidates[row] ? shifted_logsumexp(batch.scales[row]) : 0.0f;
    batch.logsumexp[row] = batch.want_logprobs[row] ? shifted_logsumexp(1.0f) + greatest_ : 0.0f;
  }

 private:
  static constexpr int kBlock = 2 * kLanes;
  // A million terms of e^-40 beside the greatest do not change a float32.
  static constexpr float kNegligible = -40.0f;

  // An integer that orders as the float does. Adding 0 makes -0 equal to 0.
  static int32_t order_key(float x) {
    x += 0.0f;
    int32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits ^ ((bits >> 31) & 0x7fffffff);
  }

  // The logits of one block; those past the end of the row are -inf.
  void load_block(int index, Floats& low, Floats& high) const {
    const int begin = index * kBlock;
    const int size = std::min(kBlock, vocab_size_ - begin);
    if (size == kBlock) {
      low = load(logits_ + begin);
      high = load(logits_ + begin + kLanes);
      return;
    }
    float padded[kBlock];
    std::fill(padded, padded + kBlock, -std::numeric_limits<float>::infinity());
    std::copy(logits_ + begin, logits_ + begin + size, padded);
    low = load(padded);
    high = load(padded + kLanes);
  }

  int blocks() const { return static_cast<int>(maxima_.size()); }

  float compute_maxima() {
    float greatest = -std::numeric_limits<float>::infinity();
    for (int index = 0; index < blocks(); ++index) {
      Floats low, high;
      load_block(index, low, high);
      maxima_[index] = reduce_max(max(low, high));
      greatest = std::max(greatest, maxima_[index]);
    }
    return greatest;
  }

  int32_t argmax() const {
    for (int index = 0; index < blocks(); ++index)
      if (maxima_[index] == greatest_)
        for (int id = index * kBlock; id < vocab_size_; ++id)
          if (logits_[id] == greatest_) return id;
    return 0;
  }

  // The greatest key that the maxima of C blocks reach. At least C tokens reach it, so every
  // candidate does.
  int32_t threshold() {
    if (blocks() < candidates_) return std::numeric_limits<int32_t>::min();
    for (int index = 0; index < blocks(); ++index) keys_[index] = order_key(maxima_[index]);
    int64_t low = std::numeric_limits<int32_t>::min();
    int64_t high = std::numeric_limits<int32_t>::max();
    while (low < high) {
      const int32_t middle = static_cast<int32_t>((low + high + 1) >> 1);
      int reached = 0;
      for (int index = 0; index < blocks(); ++index) reached += keys_[index] >= middle;
      if (reached >= candidates_)
        low = middle;
      else
        high = static_cast<int64_t>(middle) - 1;
    }
    return static_cast<int32_t>(low);
  }

  void find_candidates(float* values, int32_t* ids) {
    const int32_t min_key = threshold();
    size_t count = 0;
    for (int index = 0; index < blocks(); ++index) {
      if (order_key(maxima_[index]) < min_key) continue;
      const int end = std::min(vocab_size_, (index + 1) * kBlock);
      if (count + kBlock > found_.size()) count = truncate(count);
      for (int id = index * kBlock; id < end; ++id) {
        const int32_t key = order_key(logits_[id]);
        if (key < min_key) continue;
        // Sorts by falling value, then by id.
        const uint32_t falling = 0x7fffffffu - static_cast<uint32_t>(key);
        found_[count++] = static_cast<uint64_t>(falling) << 32 | static_cast<uint32_t>(id);
      }
    }
    count = truncate(count);
    std::sort(found_.begin(), found_.begin() + static_cast<ptrdiff_t>(count));
    for (size_t i = 0; i < count; ++i) {
      ids[i] = static_cast<int32_t>(found_[i] & 0xffffffffu);
      values[i] = logits_[ids[i]];
    }
  }

  // Moves the best C of the tokens found to the front, in any order, and returns their number.
  size_t truncate(size_t count) {
    const size_t best = std::min<size_t>(count, candidates_);
    const auto begin = found_.begin();
    if (best < count)
      std::nth_element(begin, begin + static_cast<ptrdiff_t>(best),
                       begin + static_cast<ptrdiff_t>(count));
    return best;
  }

  // log of the sum of e^(scale (x - greatest)). Groups of 32 blocks are summed in float32 and the
  // groups in float64, in the same order for every row.
  float shifted_logsumexp(float scale) const {
    double total = 0;
    for (int begin = 0; begin < blocks(); begin += 32) {
      Floats part = {};
      for (int index = begin; index < std::min(begin + 32, blocks()); ++index) {
        if ((maxima_[index] - greatest_) * scale < kNegligible) continue;
        Floats low, high;
        load_block(index, low, high);
        part += exp((low - greatest_) * scale) + exp((high - greatest_) * scale);
      }
      total += reduce_sum(part);
    }
    return static_cast<float>(std::log(total));
  }

  const int vocab_size_, candidates_;
  const float* logits_ = nullptr;
  float greatest_ = 0;
  std::vector<float> maxima_;  // of each block
  std::vector<int32_t> keys_;
  std::vector<uint64_t> found_;
};

}  // namespace mt
