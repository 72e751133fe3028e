// Weights and activations in the order in which the microkernels read them.
//
// Weights of K inputs and N outputs are cut into panels of 64 outputs. A panel is a sequence of
// steps; each step has one word of four bytes for each output: one float32, two bfloat16 or four
// codes of consecutive inputs, which is what one instruction consumes. A matrix product thus reads
// each panel from front to back, once for every few rows of activations.
//
// Codes are integers without a sign for scale * (code - zero) + minimum. Each group of 32 inputs
// begins with the scales (and the minima) of the panel's outputs, in float16; its 8 steps follow.
// As nibbles, two steps share the 64 words of one: the first is in the lower halves of the bytes.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "aligned_buffer.h"
#include "ggml.h"
#include "vectors.h"

namespace mt {

// What the products are computed with. kInt4 is kInt8 with those weights as nibbles that have
// codes of 4 bits in the file.
enum class Precision : int32_t { kFloat32 = 0, kBfloat16 = 1, kInt8 = 2, kInt4 = 3 };

constexpr int kPanelVectors = 4;
constexpr int kPanel = kPanelVectors * kLanes;  // outputs in a panel
constexpr int kWordBytes = 4;
constexpr int kStepBytes = kPanel * kWordBytes;
constexpr int kGroupSteps = kGroup / kWordBytes;
constexpr int kScaleBytes = kPanel * sizeof(Float16);

constexpr bool is_quantized(Precision precision) {
  return precision == Precision::kInt8 || precision == Precision::kInt4;
}

constexpr int values_per_word(Precision precision) {
  switch (precision) {
    case Precision::kFloat32: return 1;
    case Precision::kBfloat16: return 2;
    case Precision::kInt8:
    case Precision::kInt4: return 4;
  }
  return 1;
}

// An array of the caller.
struct Source {
  const uint8_t* data;
  GgmlType type;
  bool outputs_first;  // [outputs, inputs], which quantized types need; else [inputs, outputs]
  size_t inputs, outputs;

  const uint8_t* row(size_t output) const {
    return data + output * layout_of(type).row_bytes(inputs);
  }

  // values[n][k] = the weight of output first + n and input 32 * group + k, 0 beyond the inputs.
  void read_values(size_t first, int count, size_t group, float (&values)[kPanel][kGroup]) const {
    const size_t begin = group * kGroup;
    const int inputs_here = static_cast<int>(std::min<size_t>(kGroup, inputs - begin));
    if (inputs_here < kGroup) std::memset(values, 0, sizeof values);
    if (outputs_first) {
      for (int n = 0; n < count; ++n)
        mt::read_values(type, row(first + n), group, inputs_here, values[n]);
      return;
    }
    const size_t element = layout_of(type).bytes;
    for (int k = 0; k < inputs_here; ++k) {
      alignas(64) float line[kPanel];
      const uint8_t* from = data + ((begin + k) * outputs + first) * element;
      for (int n = 0; n < count; n += kGroup)
        mt::read_values(type, from + n * element, 0, std::min(kGroup, count - n), line + n);
      for (int n = 0; n < count; ++n) values[n][k] = line[n];
    }
  }
};

// The weights of one linear layer, made of parts that arrive one by one (such as query, key and
// value). Each part has panels of its own.
class PackedWeights {
 public:
  PackedWeights() = default;

  PackedWeights(int inputs, const std::vector<int>& parts, Precision precision)
      : precision_(precision), inputs_(inputs) {
    for (const int outputs : parts) {
      parts_.push_back({outputs_, outputs, static_cast<int>(panels_.size()), {}, {}});
      for (int first = 0; first < outputs; first += kPanel)
        panels_.push_back({outputs_ + first, std::min(kPanel, outputs - first),
                           static_cast<int>(parts_.size()) - 1, nullptr});
      outputs_ += outputs;
    }
  }

  // How the words of a part are to be understood.
  struct Format {
    bool nibbles = false;
    int max_code = 255;
    int zero = 128;
    bool minima = false;

    size_t header_bytes() const { return minima ? 2 * kScaleBytes : kScaleBytes; }
    size_t group_bytes() const {
      return header_bytes() + static_cast<size_t>(kGroupSteps) * kStepBytes / (nibbles ? 2 : 1);
    }
  };

  // The outputs [first, first + outputs) of the layer.
  struct Panel {
    int first, outputs;
    int part;
    const uint8_t* data;  // null, as long as its part has not arrived
  };

  Precision precision() const { return precision_; }
  int inputs() const { return inputs_; }
  int outputs() const { return outputs_; }
  int groups() const { return ceil_div(inputs_, kGroup); }
  // float32 and bfloat16: words that each output has.
  int steps() const { return ceil_div(inputs_, values_per_word(precision_)); }
  int panels() const { return static_cast<int>(panels_.size()); }
  const Panel& panel(int index) const { return panels_[index]; }
  const Format& format(const Panel& panel) const { return parts_[panel.part].format; }
  int part_outputs(int part) const { return parts_[part].outputs; }
  int part_panels(int part) const { return ceil_div(parts_[part].outputs, kPanel); }

  size_t bytes() const {
    size_t total = 0;
    for (const Part& part : parts_) total += part.bytes.bytes();
    return total;
  }

  // Makes space for a part whose array has the given type.
  void allocate(int index, GgmlType type) {
    Part& part = parts_[index];
    part.format = {};
    if (const GgmlLayout layout = layout_of(type); layout.max_code > 0)
      part.format = {precision_ == Precision::kInt4 && layout.max_code == 15, layout.max_code,
                     layout.zero, layout.minima};
    const size_t panel_bytes = is_quantized(precision_) ? groups() * part.format.group_bytes()
                                                        : static_cast<size_t>(steps()) * kStepBytes;
    const int count = part_panels(index);
    part.bytes = AlignedBuffer<uint8_t>(count * panel_bytes);
    for (int p = 0; p < count; ++p)
      panels_[part.first_panel + p].data = part.bytes.data() + p * panel_bytes;
  }

  // Packs panel `index` of a part. Threads may pack different panels at once.
  void pack(int part, int index, const Source& source) {
    const int first = index * kPanel;
    const Panel& panel = panels_[parts_[part].first_panel + index];
    auto* to = const_cast<uint8_t*>(panel.data);  // memory of `part.bytes`
    if (!is_quantized(precision_))
      pack_floats(source, first, panel.outputs, to);
    else if (layout_of(source.type).max_code > 0)
      pack_codes(source, first, panel.outputs, parts_[part].format, to);
    else
      quantize(source, first, panel.outputs, parts_[part].format, to);
  }

  // The weights of one output as float32: a row of a tied embedding.
  void unpack(int output, float* to) const {
    const auto found = std::find_if(panels_.begin(), panels_.end(), [&](const Panel& each) {
      return output < each.first + each.outputs;
    });
    const int lane = output - found->first;
    if (found->data == nullptr) {
      std::fill(to, to + inputs_, 0.0f);
    } else if (precision_ == Precision::kFloat32) {
      for (int k = 0; k < inputs_; ++k)
        std::memcpy(&to[k], found->data + k * kStepBytes + lane * kWordBytes, sizeof(float));
    } else if (precision_ == Precision::kBfloat16) {
      for (int k = 0; k < inputs_; ++k) {
        Bfloat16 value;
        std::memcpy(&value, found->data + k / 2 * kStepBytes + lane * kWordBytes + k % 2 * 2, 2);
        to[k] = to_float(value);
      }
    } else {
      unpack_codes(*found, lane, to);
    }
  }

 private:
  struct Part {
    int first, outputs;
    int first_panel;
    Format format;
    AlignedBuffer<uint8_t> bytes;
  };

  void pack_floats(const Source& source, int first, int count, uint8_t* to) const {
    alignas(64) float values[kPanel][kGroup];
    for (int group = 0; group < groups(); ++group) {
      source.read_values(first, count, group, values);
      const int here = std::min(kGroup, inputs_ - group * kGroup);
      if (precision_ == Precision::kFloat32) {
        auto* words = reinterpret_cast<float*>(to) + static_cast<size_t>(group) * kGroup * kPanel;
        for (int k = 0; k < here; ++k)
          for (int n = 0; n < count; ++n) words[k * kPanel + n] = values[n][k];
      } else {
        auto* words = reinterpret_cast<Words*>(to) + static_cast<size_t>(group) * kGroup / 2 * 4;
        for (int k = 0; k < here; k += 2)
          for (int n = 0; n < count; n += kLanes) {
            Floats even = {}, odd = {};
            for (int lane = 0; lane < kLanes; ++lane) {
              even[lane] = n + lane < count ? values[n + lane][k] : 0.0f;
              odd[lane] = n + lane < count && k + 1 < here ? values[n + lane][k + 1] : 0.0f;
            }
            words[k / 2 * 4 + n / kLanes] = bfloat16_bits(even) | bfloat16_bits(odd) << 16;
          }
      }
    }
  }

  // Takes the codes of the file as they are.
  void pack_codes(const Source& source, int first, int count, const Format& format,
                  uint8_t* to) const {
    const uint8_t* row = source.row(first);
    const size_t row_bytes = layout_of(source.type).row_bytes(inputs_);
    Group group;
    for (int index = 0; index < groups(); ++index, to += format.group_bytes())
      for (int n = 0; n < count; ++n) {
        read_group(source.type, row + n * row_bytes, index, group);
        store_group(group, format, n, to);
      }
  }

  // Rounds to 8 bits: the scale is the greatest magnitude divided by 127.
  void quantize(const Source& source, int first, int count, const Format& format,
                uint8_t* to) const {
    alignas(64) float values[kPanel][kGroup];
    Group group;
    group.minimum = 0;
    for (int index = 0; index < groups(); ++index, to += format.group_bytes()) {
      source.read_values(first, count, index, values);
      for (int n = 0; n < count; ++n) {
        const Floats x = load(values[n]), y = load(values[n] + kLanes);
        const float scale = reduce_max(max(abs(x), abs(y))) / 127.0f;
        group.scale = half_to_float(to_half(scale));
        const float inverse = group.scale > 0 ? 1.0f / group.scale : 0.0f;
        const auto codes = [inverse](Floats values) {
          const Floats rounded = round_to_nearest(values * broadcast(inverse));
          const Floats limited = min(max(rounded, broadcast(-127)), broadcast(127));
          return __builtin_convertvector(__builtin_convertvector(limited, Ints) + 128, Bytes);
        };
        *reinterpret_cast<Bytes*>(group.codes) = codes(x);
        *reinterpret_cast<Bytes*>(group.codes + kLanes) = codes(y);
        store_group(group, format, n, to);
      }
    }
  }

  static MT_INLINE void store_group(const Group& group, const Format& format, int lane,
                                    uint8_t* to) {
    const Float16 scale = to_half(group.scale), minimum = to_half(group.minimum);
    std::memcpy(to + lane * sizeof scale, &scale, sizeof scale);
    if (format.minima)
      std::memcpy(to + kScaleBytes + lane * sizeof minimum, &minimum, sizeof minimum);
    uint32_t words[kGroupSteps];
    std::memcpy(words, group.codes, sizeof words);
    uint8_t* out = to + format.header_bytes() + lane * kWordBytes;
    if (format.nibbles)
      for (int step = 0; step < kGroupSteps; step += 2) {
        const uint32_t both = words[step] | words[step + 1] << 4;
        std::memcpy(out + step / 2 * kStepBytes, &both, sizeof both);
      }
    else
      for (int step = 0; step < kGroupSteps; ++step)
        std::memcpy(out + step * kStepBytes, &words[step], sizeof words[step]);
  }

  void unpack_codes(const Panel& panel, int lane, float* to) const {
    const Format& format = this->format(panel);
    for (int k = 0; k < inputs_; ++k) {
      const uint8_t* group = panel.data + k / kGroup * format.group_bytes();
      const int step = k % kGroup / kWordBytes, byte = lane * kWordBytes + k % kWordBytes;
      const uint8_t* codes = group + format.header_bytes();
      const int code = format.nibbles ? (codes[step / 2 * kStepBytes + byte] >> (step % 2 * 4)) & 15
                                      : codes[step * kStepBytes + byte];
      to[k] =
          ggml::half_at(group + lane * sizeof(Float16)) * static_cast<float>(code - format.zero);
      if (format.minima) to[k] += ggml::half_at(group + kScaleBytes + lane * sizeof(Float16));
    }
  }

  Precision precision_ = Precision::kFloat32;
  int inputs_ = 0;
  int outputs_ = 0;
  std::vector<Part> parts_;
  std::vector<Panel> panels_;
};

// Activations in the type that they are multiplied in: a row for each token, made of words as
// above. Quantized ones are integers with a sign, and a scale for each group of 32.
class PackedActivations {
 public:
  PackedActivations() = default;

  PackedActivations(int rows, int max_inputs, Precision precision)
      : precision_(precision),
        groups_(ceil_div(max_inputs, kGroup)),
        // A cache line more than needed, so that rows do not compete for the same cache sets.
        row_words_(groups_ * kGroup / values_per_word(precision) + 16),
        words_(rows * row_words_),
        scales_(is_quantized(precision) ? rows * groups_ : 0),
        scaled_sums_(scales_.size()),
        sums_(scales_.size()) {}

  size_t row_words() const { return row_words_; }
  const uint32_t* row(int index) const { return words_.data() + index * row_words_; }
  // Quantized: for each group its scale, the sum of its integers, and their product.
  size_t row_groups() const { return groups_; }
  const float* scales(int index) const { return scales_.data() + index * groups_; }
  const int32_t* sums(int index) const { return sums_.data() + index * groups_; }
  const float* scaled_sums(int index) const { return scaled_sums_.data() + index * groups_; }

  // Converts one row. The padding of its last word, and of its last group, becomes zero.
  void set(int index, const float* from, int count) { set_part(index, 0, from, count); }

  // Converts the inputs [begin, begin + count) of a row, where `begin` is a multiple of a group.
  void set_part(int index, int begin, const float* from, int count) {
    uint32_t* words = words_.data() + index * row_words_;
    switch (precision_) {
      case Precision::kFloat32: std::memcpy(words + begin, from, count * sizeof(float)); break;
      case Precision::kBfloat16: {
        auto* halves = reinterpret_cast<Bfloat16*>(words) + begin;
        int k = 0;
        for (; k + kLanes <= count; k += kLanes) store(halves + k, load(from + k));
        for (; k < count; ++k) halves[k] = to_bfloat16(from[k]);
        if (count % 2) halves[count] = 0;
        break;
      }
      case Precision::kInt8:
      case Precision::kInt4:
        for (int at = 0; at < count; at += kGroup)
          quantize_group(reinterpret_cast<int8_t*>(words) + begin + at, from + at,
                         std::min(kGroup, count - at), index * groups_ + (begin + at) / kGroup);
        break;
    }
  }

 private:
  void quantize_group(int8_t* to, const float* from, int count, size_t at) {
    float padded[kGroup] = {};
    std::memcpy(padded, from, count * sizeof(float));
    const Floats x = load(padded), y = load(padded + kLanes);
    float scale = reduce_max(max(abs(x), abs(y))) / 127.0f;
    if (scale < 1e-30f) scale = 0;  // its inverse could be infinite
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    const Ints first = __builtin_convertvector(round_to_nearest(x * broadcast(inverse)), Ints);
    const Ints second = __builtin_convertvector(round_to_nearest(y * broadcast(inverse)), Ints);
    store_bytes(to, first);
    store_bytes(to + kLanes, second);
    int32_t lanes[kLanes];
    const Ints both = first + second;
    std::memcpy(lanes, &both, sizeof both);
    int32_t sum = 0;
    for (const int32_t lane : lanes) sum += lane;
    scales_.data()[at] = scale;
    sums_.data()[at] = sum;
    scaled_sums_.data()[at] = scale * static_cast<float>(sum);
  }

  Precision precision_ = Precision::kFloat32;
  size_t groups_ = 0;
  size_t row_words_ = 0;
  AlignedBuffer<uint32_t> words_;
  AlignedBuffer<float> scales_, scaled_sums_;
  AlignedBuffer<int32_t> sums_;
};

}  // namespace mt
