// The types of GGML, in which GGUF files keep their tensors, as groups of 32 values.
//
// A row of a tensor is a sequence of blocks. Each quantized type is a sequence of groups of 32
// integers without a sign, the codes, that stand for scale * (code - zero) + minimum. Q6_K alone
// has a scale for 16 values; its groups are read as float32.
#pragma once

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "vectors.h"

namespace mt {

enum class GgmlType : int32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

constexpr int kGroup = 32;  // inputs that share a scale

// How a type's rows are laid out, and how its codes are to be understood.
struct GgmlLayout {
  int block;     // values in a block
  int bytes;     // of a block
  int max_code;  // 0: not a type with codes in groups of 32
  int zero;      // the code of the value 0 (of the minimum, where there is one)
  bool minima;   // whether each group has a minimum

  size_t row_bytes(size_t values) const { return values / block * bytes; }
};

// Throws std::invalid_argument for a type that is not supported.
inline GgmlLayout layout_of(GgmlType type) {
  switch (type) {
    case GgmlType::kF32: return {1, 4, 0, 0, false};
    case GgmlType::kF16:
    case GgmlType::kBF16: return {1, 2, 0, 0, false};
    case GgmlType::kQ4_0: return {32, 18, 15, 8, false};
    case GgmlType::kQ4_1: return {32, 20, 15, 0, true};
    case GgmlType::kQ5_0: return {32, 22, 31, 16, false};
    case GgmlType::kQ5_1: return {32, 24, 31, 0, true};
    case GgmlType::kQ8_0: return {32, 34, 255, 128, false};
    case GgmlType::kQ4_K: return {256, 144, 15, 0, true};
    case GgmlType::kQ5_K: return {256, 176, 31, 0, true};
    case GgmlType::kQ6_K: return {256, 210, 0, 0, false};
  }
  throw std::invalid_argument("weights of GGML type " + std::to_string(static_cast<int>(type)) +
                              " are not supported");
}

// A group of a quantized type.
struct Group {
  uint8_t codes[kGroup];
  float scale, minimum;
};

namespace ggml {

inline float half_at(const uint8_t* from) {
  Float16 half;
  std::memcpy(&half, from, sizeof half);
  return half_to_float(half);
}

// 16 bytes hold 32 codes of 4 bits: the low halves are the first 16.
MT_INLINE void read_nibbles(const uint8_t* from, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = from[i] & 15;
    codes[i + 16] = from[i] >> 4;
  }
}

// Adds 16 to each code whose bit is set.
MT_INLINE void add_fifth_bits(const uint8_t* from, uint8_t* codes) {
  uint32_t bits;
  std::memcpy(&bits, from, sizeof bits);
  for (int i = 0; i < kGroup; ++i) codes[i] |= ((bits >> i) & 1) << 4;
}

// The 6-bit scale and minimum of one of the 8 groups in a block of Q4_K or Q5_K.
MT_INLINE void read_scales(const uint8_t* packed, int group, int& scale, int& minimum) {
  if (group < 4) {
    scale = packed[group] & 63;
    minimum = packed[group + 4] & 63;
  } else {
    scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4);
    minimum = (packed[group + 4] >> 4) | (packed[group] >> 6 << 4);
  }
}

// The 32 values of group `index` of a block of Q6_K.
MT_INLINE void read_q6_k(const uint8_t* block, int index, float* to) {
  const int half = index / 4, quarter = index % 4;
  const uint8_t* low = block + 64 * half + 32 * (quarter % 2);
  const uint8_t* high = block + 128 + 32 * half;
  const auto* scales = reinterpret_cast<const int8_t*>(block + 192) + 2 * index;
  const float scale = half_at(block + 208);
  for (int i = 0; i < kGroup; ++i) {
    const int code = ((low[i] >> (quarter / 2 * 4)) & 15) | (((high[i] >> (2 * quarter)) & 3) << 4);
    const int half_group = i / 16;
    to[i] = scale * static_cast<float>(scales[half_group]) * static_cast<float>(code - 32);
  }
}

}  // namespace ggml

// Group `index` of a row of a type that has codes.
MT_INLINE void read_group(GgmlType type, const uint8_t* row, size_t index, Group& group) {
  const GgmlLayout layout = layout_of(type);
  const size_t per_block = layout.block / kGroup;
  const uint8_t* block = row + index / per_block * layout.bytes;
  const int within = static_cast<int>(index % per_block);
  group.minimum = 0;
  group.scale = ggml::half_at(block);
  switch (type) {
    case GgmlType::kQ4_0: return ggml::read_nibbles(block + 2, group.codes);
    case GgmlType::kQ4_1:
      group.minimum = ggml::half_at(block + 2);
      return ggml::read_nibbles(block + 4, group.codes);
    case GgmlType::kQ5_0:
      ggml::read_nibbles(block + 6, group.codes);
      return ggml::add_fifth_bits(block + 2, group.codes);
    case GgmlType::kQ5_1:
      group.minimum = ggml::half_at(block + 2);
      ggml::read_nibbles(block + 8, group.codes);
      return ggml::add_fifth_bits(block + 4, group.codes);
    case GgmlType::kQ8_0:
      for (int i = 0; i < kGroup; ++i) group.codes[i] = block[2 + i] ^ 128;
      return;
    case GgmlType::kQ4_K:
    case GgmlType::kQ5_K: {
      int scale, minimum;
      ggml::read_scales(block + 4, within, scale, minimum);
      group.minimum = -ggml::half_at(block + 2) * static_cast<float>(minimum);
      group.scale *= static_cast<float>(scale);
      const bool five = type == GgmlType::kQ5_K;
      const uint8_t* low = block + (five ? 48 : 16) + 32 * (within / 2);
      const uint8_t* high = block + 16;
      for (int i = 0; i < kGroup; ++i) group.codes[i] = (low[i] >> (within % 2 * 4)) & 15;
      if (five)
        for (int i = 0; i < kGroup; ++i) group.codes[i] |= ((high[i] >> within) & 1) << 4;
      return;
    }
    default: return;
  }
}

// Values [32 * index, 32 * index + count) of a row as float32, count <= 32.
inline void read_values(GgmlType type, const uint8_t* row, size_t index, int count, float* to) {
  const size_t at = index * kGroup;
  switch (type) {
    case GgmlType::kF32: std::memcpy(to, row + at * sizeof(float), count * sizeof(float)); return;
    case GgmlType::kF16:
      for (int i = 0; i < count; ++i) to[i] = ggml::half_at(row + (at + i) * sizeof(Float16));
      return;
    case GgmlType::kBF16:
      for (int i = 0; i < count; ++i) {
        Bfloat16 half;
        std::memcpy(&half, row + (at + i) * sizeof half, sizeof half);
        to[i] = to_float(half);
      }
      return;
    case GgmlType::kQ6_K: return ggml::read_q6_k(row + index / 8 * 210, index % 8, to);
    default: {
      Group group;
      read_group(type, row, index, group);
      const int zero = layout_of(type).zero;
      for (int i = 0; i < count; ++i)
        to[i] = group.scale * static_cast<float>(group.codes[i] - zero) + group.minimum;
    }
  }
}

}  // namespace mt
