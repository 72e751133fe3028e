// Copies of some numbers in a row, from one type to another.
#pragma once

#include "../../cpp/vectors.h"

namespace mt {

template <class T>
inline void copy_row(const T* from, int count, T* to) {
  std::memcpy(to, from, count * sizeof(T));
}

inline void copy_row(const float* from, int count, Bfloat16* to) {
  int n = 0;
  for (; n + kLanes <= count; n += kLanes) store(to + n, load(from + n));
  for (; n < count; ++n) to[n] = to_bfloat16(from[n]);
}

inline void copy_row(const Bfloat16* from, int count, float* to) {
  int n = 0;
  for (; n + kLanes <= count; n += kLanes) store(to + n, load(from + n));
  for (; n < count; ++n) to[n] = to_float(from[n]);
}

}  // namespace mt
