// Weights packed for the products, and the same for the rows that they are multiplied with.
//
// A matrix of K inputs and N outputs lies in panels of 64 outputs. Within a panel the inputs
// follow one another in steps of four bytes for each output: one float32, two bfloat16 or
// four int8 numbers, which is what one instruction takes in. So a product reads its panel
// from front to back, once for each few rows.
#pragma once

#include <algorithm>
#include <cmath>

#include "memory.h"
#include "vectors.h"

namespace mt {

enum class Precision : int32_t { kFloat32 = 0, kBfloat16 = 1, kInt8 = 2 };

constexpr int kVectors = 4;                  // of a panel
constexpr int kPanel = kVectors * kLanes;    // outputs of a panel
constexpr int kStepBytes = 4;                // of one row or one output, taken in at once
constexpr int kGroup = 128;                  // int8: inputs that share a scale
constexpr int kStepsOfGroup = kGroup / 4;

inline int inputs_of_step(Precision precision) {
  switch (precision) {
    case Precision::kFloat32: return 1;
    case Precision::kBfloat16: return 2;
    case Precision::kInt8: return 4;
  }
  return 1;
}

inline int divide_up(int a, int b) { return (a + b - 1) / b; }

// Where one of a caller's arrays lies: element (k, n) at k * input_stride + n * output_stride.
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

class Matrix {
 public:
  Matrix() = default;

  Matrix(int inputs, int outputs, Precision precision)
      : precision(precision),
        inputs(inputs),
        outputs(outputs),
        steps(divide_up(inputs, inputs_of_step(precision))),
        panels(divide_up(outputs, kPanel)),
        groups(precision == Precision::kInt8 ? divide_up(inputs, kGroup) : 0),
        weights_(static_cast<size_t>(panels) * steps * kPanel * kStepBytes),
        scales_(static_cast<size_t>(panels) * groups * kPanel),
        offsets_(static_cast<size_t>(panels) * groups * kPanel) {}

  Precision precision = Precision::kFloat32;
  int inputs = 0;
  int outputs = 0;
  int steps = 0;
  int panels = 0;
  int groups = 0;

  const uint8_t* panel(int index) const { return weights_.data() + panel_offset(index); }
  // int8: the size of one unit of each group and output.
  const float* scales(int panel) const { return scales_.data() + group_offset(panel); }
  // int8: -128 times the sum of each group and output, since rows are kept 128 higher.
  const int32_t* offsets(int panel) const { return offsets_.data() + group_offset(panel); }

  size_t bytes() const { return weights_.size() + 4 * (scales_.size() + offsets_.size()); }

  // Packs the outputs [first, first + count) from a caller's array that holds just those.
  void pack(const Source& source, int first, int count) {
    for (int n = 0; n < count; ++n) pack_output(source, n, first + n);
  }

  // Unpacks one output's weights: a row of the embedding.
  void unpack(int output, float* to) const {
    const int lane = output % kPanel;
    const uint8_t* from = panel(output / kPanel) + lane * kStepBytes;
    const int each = inputs_of_step(precision);
    for (int k = 0; k < inputs; ++k) {
      const uint8_t* step = from + static_cast<size_t>(k / each) * kPanel * kStepBytes;
      switch (precision) {
        case Precision::kFloat32: std::memcpy(&to[k], step, 4); break;
        case Precision::kBfloat16: {
          Bfloat16 half;
          std::memcpy(&half, step + 2 * (k % 2), 2);
          to[k] = to_float(half);
          break;
        }
        case Precision::kInt8:
          to[k] = static_cast<int8_t>(step[k % 4]) *
                  scales(output / kPanel)[(k / kGroup) * kPanel + lane];
          break;
      }
    }
  }

 private:
  size_t panel_offset(int index) const {
    return static_cast<size_t>(index) * steps * kPanel * kStepBytes;
  }
  size_t group_offset(int index) const { return static_cast<size_t>(index) * groups * kPanel; }

  void pack_output(const Source& source, int n, int output) {
    const int lane = output % kPanel;
    uint8_t* to = weights_.data() + panel_offset(output / kPanel) + lane * kStepBytes;
    const size_t stride = static_cast<size_t>(kPanel) * kStepBytes;
    switch (precision) {
      case Precision::kFloat32:
        for (int k = 0; k < inputs; ++k) {
          const float value = source.at(k, n);
          std::memcpy(to + k * stride, &value, 4);
        }
        break;
      case Precision::kBfloat16:
        for (int k = 0; k < inputs; ++k) {
          const Bfloat16 value = to_bfloat16(source.at(k, n));
          std::memcpy(to + (k / 2) * stride + 2 * (k % 2), &value, 2);
        }
        break;
      case Precision::kInt8:
        for (int group = 0; group < groups; ++group) pack_group(source, n, output, group, to);
        break;
    }
  }

  void pack_group(const Source& source, int n, int output, int group, uint8_t* to) {
    const int begin = group * kGroup;
    const int end = std::min(inputs, begin + kGroup);
    float largest = 0;
    for (int k = begin; k < end; ++k) largest = std::max(largest, std::fabs(source.at(k, n)));
    const float unit = largest / 127.0f;
    const float inverse = unit > 0 ? 1.0f / unit : 0.0f;
    int32_t total = 0;
    for (int k = begin; k < end; ++k) {
      const int value = static_cast<int>(std::lrintf(source.at(k, n) * inverse));
      total += value;
      to[static_cast<size_t>(k / 4) * kPanel * kStepBytes + k % 4] = static_cast<uint8_t>(value);
    }
    const size_t place =
        group_offset(output / kPanel) + static_cast<size_t>(group) * kPanel + output % kPanel;
    scales_.data()[place] = unit;
    offsets_.data()[place] = -128 * total;
  }

  Memory<uint8_t> weights_;
  Memory<float> scales_;
  Memory<int32_t> offsets_;
};

// Rows in the type that a matrix multiplies: each as steps of four bytes.
class Rows {
 public:
  Rows() = default;

  Rows(int rows, int most_inputs, Precision precision)
      : precision(precision),
        // A few bytes more than needed part the rows from each other's cache sets.
        pitch(static_cast<size_t>(divide_up(most_inputs, kGroup)) * kGroup /
                  inputs_of_step(precision) * kStepBytes +
              64),
        group_pitch(divide_up(most_inputs, kGroup)),
        numbers_(rows * pitch),
        scales_(precision == Precision::kInt8 ? static_cast<size_t>(rows) * group_pitch : 0) {}

  Precision precision = Precision::kFloat32;
  size_t pitch = 0;
  size_t group_pitch = 0;

  const uint8_t* row(int index) const { return numbers_.data() + index * pitch; }
  const float* scales(int index) const { return scales_.data() + index * group_pitch; }

  // Converts `count` numbers. In memory beyond them, up to a whole vector, stand zeros.
  void set(int index, const float* from, int count) {
    uint8_t* to = numbers_.data() + index * pitch;
    switch (precision) {
      case Precision::kFloat32: std::memcpy(to, from, count * sizeof(float)); break;
      case Precision::kBfloat16: {
        Bfloat16* halves = reinterpret_cast<Bfloat16*>(to);
        int k = 0;
        for (; k + kLanes <= count; k += kLanes) store(halves + k, load(from + k));
        for (; k < count; ++k) halves[k] = to_bfloat16(from[k]);
        if (count % 2) halves[count] = 0;
        break;
      }
      case Precision::kInt8:
        for (int begin = 0; begin < count; begin += kGroup)
          scales_.data()[index * group_pitch + begin / kGroup] =
              set_group(to + begin, from + begin, std::min(kGroup, count - begin));
        break;
    }
  }

 private:
  static float set_group(uint8_t* to, const float* from, int count) {
    float padded[kGroup] = {};
    std::memcpy(padded, from, count * sizeof(float));
    Floats most = {};
    for (int k = 0; k < kGroup; k += kLanes) most = larger(most, magnitude(load(padded + k)));
    const float unit = maximum(most) / 127.0f;
    const float inverse = unit > 0 ? 1.0f / unit : 0.0f;
    for (int k = 0; k < kGroup; k += kLanes) {
      const Ints value = __builtin_convertvector(nearest(load(padded + k) * inverse), Ints) + 128;
      *reinterpret_cast<Bytes*>(to + k) = __builtin_convertvector(value, Bytes);
    }
    return unit;
  }

  Memory<uint8_t> numbers_;
  Memory<float> scales_;
};

}  // namespace mt
