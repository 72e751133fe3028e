// Loops over the rows of a matrix, and sums over all rows.
//
// Rows are divided into blocks, whose number does not depend on the threads, and the sums of the
// blocks are added in their order. So the number of threads does not change a result.
#pragma once

#include <cmath>

#include "copy_row.h"
#include "parallel.h"

namespace mt {

constexpr int kRowBlocks = 64;

// The first `count` of sixteen numbers; zeros after them.
template <class T>
MT_INLINE Floats load_some(const T* from, int count) {
  if (count >= kLanes) return load(from);
  T padded[kLanes] = {};
  std::memcpy(padded, from, count * sizeof(T));
  return load(padded);
}

template <class T>
MT_INLINE void store_some(T* to, Floats x, int count) {
  if (count >= kLanes) return store(to, x);
  T padded[kLanes];
  store(padded, x);
  std::memcpy(to, padded, count * sizeof(T));
}

// x in the first `count` lanes, 0 in the others.
MT_INLINE Floats first_lanes(Floats x, int count) {
  if (count >= kLanes) return x;
  for (int lane = count; lane < kLanes; ++lane) x[lane] = 0.0f;
  return x;
}

// Calls body(column, count) for each sixteen columns, of which `count` are in the row.
template <class Body>
MT_INLINE void for_lanes(int width, const Body& body) {
  int n = 0;
  for (; n + kLanes <= width; n += kLanes) body(n, kLanes);
  if (n < width) body(n, width - n);
}

// Calls body(first, last, block) for blocks of rows, in parallel.
template <class Pool, class Body>
void for_row_blocks(Pool& pool, int rows, const Body& body) {
  const int blocks = std::min(kRowBlocks, rows);
  parallel_for(pool, blocks, [&](int block) {
    const auto begin_of = [&](int i) { return static_cast<int>(int64_t{rows} * i / blocks); };
    body(begin_of(block), begin_of(block + 1), block);
  });
}

// Sums over the rows, one for each column of N matrices: every block has its own, which are added
// at the end.
template <int N>
class RowSums {
 public:
  explicit RowSums(int width) : width_(width), scratch_({kRowBlocks * N * padded()}) {}

  // The sums of a block, for the matrix of index `which`; they begin with 0.
  float* start(int block, int which) {
    float* sums = at(block, which);
    std::memset(sums, 0, padded() * sizeof(float));
    return sums;
  }

  void add_blocks(int rows, int which, float* out) {
    const int blocks = std::min(kRowBlocks, rows);
    for_lanes(width_, [&](int n, int count) {
      Floats total = {};
      for (int block = 0; block < blocks; ++block) total += load(at(block, which) + n);
      store_some(out + n, total, count);
    });
  }

 private:
  size_t padded() const { return static_cast<size_t>(round_up(width_, kLanes)); }
  float* at(int block, int which) {
    return scratch_.template pointers<float>()[0] +
           (static_cast<size_t>(block) * N + which) * padded();
  }

  int width_;
  ScratchArrays<1> scratch_;
};

}  // namespace mt
