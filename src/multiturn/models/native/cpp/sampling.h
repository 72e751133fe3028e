// Drawing the next token of a row of logits: models/sampling.py in C++.
#pragma once

#include "top_candidates.h"

namespace mt {

// Rows of logits, how to draw from each, and where to put the results.
struct Sampling {
  int rows;                      // B
  const float* logits;           // B V
  const float* temperature;      // B: 0 takes the most likely token
  const float* top_p;            // B: 1 is off
  const int32_t* top_k;          // B: 0 is off
  const float* uniforms;         // B: in [0, 1)
  const uint8_t* want_logprobs;  // B
  int32_t* tokens;               // B
  float* logprobs;               // B: at temperature 1; 0 where they are not wanted
};

// Works on one row at a time; one for each thread.
class Sampler {
 public:
  explicit Sampler(int vocab_size) : vocab_size_(vocab_size) {}

  // The draw inverts the cumulative distribution of the tokens that top-k and top-p leave, ordered
  // by probability and then by id; by id alone if both are off.
  void sample(const Sampling& batch, int row) {
    const float* logits = batch.logits + static_cast<size_t>(row) * vocab_size_;
    const float temperature = batch.temperature[row];
    const float scale = 1.0f / std::max(temperature, 1e-6f);
    const bool sampled = temperature > 0;
    const bool filtered = sampled && (batch.top_p[row] < 1 || batch.top_k[row] > 0);
    int token = 0;
    for (int limit : {kCandidates, kMoreCandidates, vocab_size_}) {
      limit = std::min(limit, vocab_size_);
      find(logits, scale, limit, filtered, batch.want_logprobs[row] != 0);
      if (!filtered) {
        token = sampled ? draw_from_all(logits, batch.uniforms[row], scale) : ids_[0];
        break;
      }
      if (draw(batch, row, scale, token) || limit == vocab_size_) break;
    }
    batch.tokens[row] = token;
    batch.logprobs[row] = batch.want_logprobs[row] ? logits[token] - logsumexp_ : 0.0f;
  }

 private:
  static constexpr int kCandidates = 128;
  static constexpr int kMoreCandidates = 2048;

  // Fills values_, ids_ and the sums.
  void find(const float* logits, float scale, int limit, bool filtered, bool want_logprobs) {
    values_.resize(limit);
    ids_.resize(limit);
    const int32_t want = filtered, logprobs = want_logprobs;
    CandidateFinder(vocab_size_, limit)
        .find({1, vocab_size_, limit, logits, &scale, &want, &logprobs, values_.data(), ids_.data(),
               &scaled_logsumexp_, &logsumexp_},
              0);
  }

  // Draws among the candidates; returns whether they include every token that the filters leave.
  bool draw(const Sampling& batch, int row, float scale, int& token) {
    const int limit = static_cast<int>(values_.size());
    const int top_k = batch.top_k[row];
    const float top_p = batch.top_p[row];
    const int within = top_k > 0 ? std::min(top_k, limit) : limit;
    weights_.resize(within);
    double total = 0;
    for (int i = 0; i < within; ++i) {
      weights_[i] = std::exp((values_[i] - values_[0]) * scale);
      total += weights_[i];
    }
    // Top-p applies to the distribution that top-k left.
    if (top_k <= 0) total = std::exp(static_cast<double>(scaled_logsumexp_));
    int left = 1;
    double before = weights_[0];
    while (left < within && (top_p >= 1 || before < top_p * total)) before += weights_[left++];
    double target = batch.uniforms[row] * before;
    int index = 0;
    while (index + 1 < left && target >= weights_[index]) target -= weights_[index++];
    token = ids_[index];
    return values_[left - 1] > values_[limit - 1] && top_k <= limit;
  }

  int draw_from_all(const float* logits, float uniform, float scale) const {
    const float greatest = *std::max_element(logits, logits + vocab_size_);
    const auto weight = [&](int id) {
      return static_cast<double>(std::exp((logits[id] - greatest) * scale));
    };
    double total = 0;
    for (int id = 0; id < vocab_size_; ++id) total += weight(id);
    double target = uniform * total;
    int last = 0;  // rounding may put the target at the sum
    for (int id = 0; id < vocab_size_; ++id) {
      const double mine = weight(id);
      if (mine > 0) last = id;
      if (target < mine) return id;
      target -= mine;
    }
    return last;
  }

  const int vocab_size_;
  std::vector<float> values_;
  std::vector<int32_t> ids_;
  std::vector<double> weights_;
  float scaled_logsumexp_ = 0, logsumexp_ = 0;
};

}  // namespace mt
