// Weights and activations in the order in which the microkernels read them.
//
// Weights of K inputs and N outputs are cut into panels of 64 outputs. A panel is a sequence of
// steps; each step has one word of four bytes for each output: one float32, two bfloat16 or four
// int8 values of consecutive inputs, which is what one instruction consumes. A matrix product thus
// reads each panel from front to back, once for every few rows of activations.
#pragma once

#include <algorithm>
#include <cmath>

#include "aligned_buffer.h"
#include "vectors.h"

namespace mt {

enum class Precision : int32_t { kFloat32 = 0, kBfloat16 = 1, kInt8 = 2 };

constexpr int kPanelVectors = 4;
constexpr int kPanel = kPanelVectors * kLanes;  // outputs in a panel
constexpr int kWordBytes = 4;
constexpr int kGroup = 128;  // int8: inputs that share a scale
constexpr int kGroupSteps = kGroup / kWordBytes;

constexpr int values_per_word(Precision precision) {
  switch (precision) {
    case Precision::kFloat32: return 1;
    case Precision::kBfloat16: return 2;
    case Precision::kInt8: return 4;
  }
  return 1;
}

// An array of the caller: element (k, n) is at k * input_stride + n * output_stride.
struct Source {
  const void* data;
  bool is_bfloat16;
  size_t input_stride;
  size_t output_stride;

  float at(size_t k, size_t n) const {
    const size_t i = k * input_stride + n * output_stride;
    return is_bfloat16 ? to_float(static_cast<const Bfloat16*>(data)[i])
                       : static_cast<const float*>(data)[i];
  }
};

// The weights of one linear layer.
class PackedWeights {
 public:
  PackedWeights() = default;

  PackedWeights(int inputs, int outputs, Precision precision)
      : precision_(precision),
        inputs_(inputs),
        outputs_(outputs),
        steps_(ceil_div(inputs, values_per_word(precision))),
        panels_(ceil_div(outputs, kPanel)),
        groups_(precision == Precision::kInt8 ? ceil_div(inputs, kGroup) : 0),
        words_(panels_ * panel_words()),
        scales_(panels_ * panel_groups()),
        offsets_(panels_ * panel_groups()) {}

  Precision precision() const { return precision_; }
  int inputs() const { return inputs_; }
  int outputs() const { return outputs_; }
  int steps() const { return steps_; }
  int panels() const { return panels_; }
  size_t bytes() const { return words_.bytes() + scales_.bytes() + offsets_.bytes(); }

  const uint32_t* panel(int index) const { return words_.data() + index * panel_words(); }
  // int8: [group, output of the panel].
  const float* scales(int panel) const { return scales_.data() + panel * panel_groups(); }
  // int8: -128 times the sum of a group's weights, [group, output of the panel]. It undoes the
  // 128 that PackedActivations adds to each value.
  const int32_t* offsets(int panel) const { return offsets_.data() + panel * panel_groups(); }

  // Packs outputs [first, first + count) from a source whose output 0 is the first of them.
  void pack(const Source& source, int first, int count) {
    for (int n = 0; n < count; ++n) pack_output(source, n, first + n);
  }

  // The weights of one output as float32: a row of a tied embedding.
  void unpack(int output, float* to) const {
    const int lane = output % kPanel;
    const uint32_t* words = panel(output / kPanel) + lane;
    const float* scale = scales(output / kPanel) + lane;
    const int per_word = values_per_word(precision_);
    for (int k = 0; k < inputs_; ++k) {
      const auto* word =
          reinterpret_cast<const uint8_t*>(words + static_cast<size_t>(k / per_word) * kPanel);
      switch (precision_) {
        case Precision::kFloat32: std::memcpy(&to[k], word, sizeof(float)); break;
        case Precision::kBfloat16: {
          Bfloat16 value;
          std::memcpy(&value, word + sizeof value * (k % 2), sizeof value);
          to[k] = to_float(value);
          break;
        }
        case Precision::kInt8:
          to[k] =
              static_cast<int8_t>(word[k % 4]) * scale[static_cast<size_t>(k / kGroup) * kPanel];
          break;
      }
    }
  }

 private:
  size_t panel_words() const { return static_cast<size_t>(steps_) * kPanel; }
  size_t panel_groups() const { return static_cast<size_t>(groups_) * kPanel; }

  void pack_output(const Source& source, int n, int output) {
    const int lane = output % kPanel;
    uint32_t* words = words_.data() + (output / kPanel) * panel_words() + lane;
    const auto word = [&](int step) {
      return reinterpret_cast<uint8_t*>(words + static_cast<size_t>(step) * kPanel);
    };
    switch (precision_) {
      case Precision::kFloat32:
        for (int k = 0; k < inputs_; ++k) {
          const float value = source.at(k, n);
          std::memcpy(word(k), &value, sizeof value);
        }
        break;
      case Precision::kBfloat16:
        for (int k = 0; k < inputs_; ++k) {
          const Bfloat16 value = to_bfloat16(source.at(k, n));
          std::memcpy(word(k / 2) + sizeof value * (k % 2), &value, sizeof value);
        }
        break;
      case Precision::kInt8:
        for (int group = 0; group < groups_; ++group) {
          const size_t at =
              (output / kPanel) * panel_groups() + static_cast<size_t>(group) * kPanel + lane;
          pack_group(source, n, group, word, scales_.data()[at], offsets_.data()[at]);
        }
        break;
    }
  }

  template <class Word>
  void pack_group(const Source& source, int n, int group, const Word& word, float& scale,
                  int32_t& offset) {
    const int begin = group * kGroup;
    const int end = std::min(inputs_, begin + kGroup);
    float greatest = 0;
    for (int k = begin; k < end; ++k) greatest = std::max(greatest, std::fabs(source.at(k, n)));
    scale = greatest / 127.0f;
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    int32_t total = 0;
    for (int k = begin; k < end; ++k) {
      const int value = static_cast<int>(std::lrintf(source.at(k, n) * inverse));
      total += value;
      word(k / 4)[k % 4] = static_cast<uint8_t>(value);
    }
    offset = -128 * total;
  }

  Precision precision_ = Precision::kFloat32;
  int inputs_ = 0;
  int outputs_ = 0;
  int steps_ = 0;
  int panels_ = 0;
  int groups_ = 0;
  AlignedBuffer<uint32_t> words_;
  AlignedBuffer<float> scales_;
  AlignedBuffer<int32_t> offsets_;
};

// Activations in the type that they are multiplied in: a row for each token, made of words as
// above.
class PackedActivations {
 public:
  PackedActivations() = default;

  PackedActivations(int rows, int max_inputs, Precision precision)
      : precision_(precision),
        groups_(ceil_div(max_inputs, kGroup)),
        // A cache line more than needed, so that rows do not compete for the same cache sets.
        row_words_(groups_ * kGroup / values_per_word(precision) + 16),
        words_(rows * row_words_),
        scales_(precision == Precision::kInt8 ? rows * groups_ : 0) {}

  size_t row_words() const { return row_words_; }
  const uint32_t* row(int index) const { return words_.data() + index * row_words_; }
  // int8: a scale for each group of inputs.
  const float* scales(int index) const { return scales_.data() + index * groups_; }

  // Converts one row. The padding of its last word, and with int8 of its last group, becomes zero.
  void set(int index, const float* from, int count) {
    uint32_t* words = words_.data() + index * row_words_;
    switch (precision_) {
      case Precision::kFloat32: std::memcpy(words, from, count * sizeof(float)); break;
      case Precision::kBfloat16: {
        auto* halves = reinterpret_cast<Bfloat16*>(words);
        int k = 0;
        for (; k + kLanes <= count; k += kLanes) store(halves + k, load(from + k));
        for (; k < count; ++k) halves[k] = to_bfloat16(from[k]);
        if (count % 2) halves[count] = 0;
        break;
      }
      case Precision::kInt8:
        for (int begin = 0; begin < count; begin += kGroup)
          scales_.data()[index * groups_ + begin / kGroup] =
              quantize_group(reinterpret_cast<uint8_t*>(words) + begin, from + begin,
                             std::min(kGroup, count - begin));
        break;
    }
  }

 private:
  // Writes a group as unsigned values, 128 higher, because the dot product instruction takes
  // unsigned times signed. Returns the scale.
  static float quantize_group(uint8_t* to, const float* from, int count) {
    float padded[kGroup] = {};
    std::memcpy(padded, from, count * sizeof(float));
    Floats greatest = {};
    for (int k = 0; k < kGroup; k += kLanes) greatest = max(greatest, abs(load(padded + k)));
    const float scale = reduce_max(greatest) / 127.0f;
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    for (int k = 0; k < kGroup; k += kLanes) {
      const Floats rounded = round_to_nearest(load(padded + k) * inverse);
      const Ints value = __builtin_convertvector(rounded, Ints) + 128;
      *reinterpret_cast<Bytes*>(to + k) = __builtin_convertvector(value, Bytes);
    }
    return scale;
  }

  Precision precision_ = Precision::kFloat32;
  size_t groups_ = 0;
  size_t row_words_ = 0;
  AlignedBuffer<uint32_t> words_;
  AlignedBuffer<float> scales_;
};

}  // namespace mt
