// What choosing the next token needs to know of a row of logits: its most likely tokens, and
// what its exponentials sum to. models/sampling.py makes the choice from that.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "vectors.h"

namespace mt {

// Rows of logits, what is wanted of each, and where it goes.
struct Ranking {
  int rows, size, candidates;  // B, V, C
  const float* logits;         // B V
  const float* scales;         // B: logits are multiplied by them where `totals` are taken
  const int32_t* wanted;       // B: 0 for the most likely token alone, else C and the total
  const int32_t* scored;       // B: 0 where `plain_totals` is not asked for
  float* values;               // B C: greatest first, equals by id; then -inf
  int32_t* ids;                // B C
  float* totals;               // B: log of the sum of e^(scale (x - greatest)); or 0
  float* plain_totals;         // B: log of the sum of e^x; or 0
};

class RowRanker {
 public:
  RowRanker(int size, int candidates)
      : size_(size),
        candidates_(candidates),
        maxima_((size + kBlock - 1) / kBlock),
        keys_(maxima_.size()),
        found_(std::max(4 * candidates, 4096)) {}

  void rank(const Ranking& all, int row) {
    logits_ = all.logits + static_cast<size_t>(row) * size_;
    float* values = all.values + static_cast<size_t>(row) * candidates_;
    int32_t* ids = all.ids + static_cast<size_t>(row) * candidates_;
    std::fill(values, values + candidates_, -std::numeric_limits<float>::infinity());
    std::fill(ids, ids + candidates_, 0);
    greatest_ = take_maxima();
    if (all.wanted[row]) {
      take_candidates(values, ids);
    } else {
      values[0] = greatest_;
      ids[0] = first_greatest();
    }
    all.totals[row] = all.wanted[row] ? log_total(all.scales[row]) : 0.0f;
    all.plain_totals[row] = all.scored[row] ? log_total(1.0f) + greatest_ : 0.0f;
  }

 private:
  static constexpr int kBlock = 2 * kLanes;
  // e^-40 of the greatest, a million times, changes no float32.
  static constexpr float kNothing = -40.0f;

  // A whole number in the order of floats (which has -0 before 0: add 0 first).
  static int32_t ordered(float x) {
    x += 0.0f;
    int32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits ^ ((bits >> 31) & 0x7fffffff);
  }

  // Of one block; past the end of the row stands -inf.
  void block(int index, Floats& low, Floats& high) const {
    const int begin = index * kBlock, here = std::min(kBlock, size_ - begin);
    if (here == kBlock) {
      low = load(logits_ + begin);
      high = load(logits_ + begin + kLanes);
      return;
    }
    float padded[kBlock];
    std::fill(padded, padded + kBlock, -std::numeric_limits<float>::infinity());
    std::copy(logits_ + begin, logits_ + begin + here, padded);
    low = load(padded);
    high = load(padded + kLanes);
  }

  int blocks() const { return static_cast<int>(maxima_.size()); }

  float take_maxima() {
    float greatest = -std::numeric_limits<float>::infinity();
    for (int index = 0; index < blocks(); ++index) {
      Floats low, high;
      block(index, low, high);
      maxima_[index] = maximum(larger(low, high));
      greatest = std::max(greatest, maxima_[index]);
    }
    return greatest;
  }

  int32_t first_greatest() const {
    for (int index = 0; index < blocks(); ++index)
      if (maxima_[index] == greatest_)
        for (int id = index * kBlock; id < size_; ++id)
          if (logits_[id] == greatest_) return id;
    return 0;
  }

  // The greatest key that C blocks reach: C tokens reach it then, and no candidate is below.
  int32_t threshold() {
    if (blocks() < candidates_) return std::numeric_limits<int32_t>::min();
    for (int index = 0; index < blocks(); ++index) keys_[index] = ordered(maxima_[index]);
    int64_t least = std::numeric_limits<int32_t>::min();
    int64_t most = std::numeric_limits<int32_t>::max();
    while (least < most) {
      const int32_t middle = static_cast<int32_t>((least + most + 1) >> 1);
      int reached = 0;
      for (int index = 0; index < blocks(); ++index) reached += keys_[index] >= middle;
      if (reached >= candidates_)
        least = middle;
      else
        most = static_cast<int64_t>(middle) - 1;
    }
    return static_cast<int32_t>(least);
  }

  void take_candidates(float* values, int32_t* ids) {
    const int32_t least = threshold();
    size_t count = 0;
    for (int index = 0; index < blocks(); ++index) {
      if (ordered(maxima_[index]) < least) continue;
      const int end = std::min(size_, (index + 1) * kBlock);
      if (count + kBlock > found_.size()) count = cut(count);
      for (int id = index * kBlock; id < end; ++id) {
        const int32_t key = ordered(logits_[id]);
        // Smaller is better: by falling value, then by id.
        const uint32_t falling = 0x7fffffffu - static_cast<uint32_t>(key);
        if (key >= least) found_[count++] = static_cast<uint64_t>(falling) << 32 | static_cast<uint32_t>(id);
      }
    }
    count = cut(count);
    std::sort(found_.begin(), found_.begin() + count);
    for (size_t place = 0; place < count; ++place) {
      ids[place] = static_cast<int32_t>(found_[place] & 0xffffffffu);
      values[place] = logits_[ids[place]];
    }
  }

  // Leaves the best C of what was found, in any order.
  size_t cut(size_t count) {
    const size_t kept = std::min<size_t>(count, candidates_);
    if (kept < count)
      std::nth_element(found_.begin(), found_.begin() + kept, found_.begin() + count);
    return kept;
  }

  // In float32 over 32 blocks, whose sums are added in float64: one order for every row.
  float log_total(float scale) const {
    double total = 0;
    for (int begin = 0; begin < blocks(); begin += 32) {
      Floats part = {};
      for (int index = begin; index < std::min(begin + 32, blocks()); ++index) {
        if ((maxima_[index] - greatest_) * scale < kNothing) continue;
        Floats low, high;
        block(index, low, high);
        part += exponential((low - greatest_) * scale) + exponential((high - greatest_) * scale);
      }
      total += sum(part);
    }
    return static_cast<float>(std::log(total));
  }

  const int size_, candidates_;
  const float* logits_ = nullptr;
  float greatest_ = 0;
  std::vector<float> maxima_;  // of each block
  std::vector<int32_t> keys_;
  std::vector<uint64_t> found_;
};

}  // namespace mt
