// The product of a few rows with a few columns, whose sums stay in registers while it runs over the
// inputs. How many rows and columns fit depends on the processor's registers.
//
// Each element is one chain of fused multiplications and additions over the inputs in their order,
// whatever the tile, so float32 gives the same bits on every processor that fuses them.
#pragma once

#include "../../cpp/gemm.h"

namespace mt {

constexpr int kTileRows = 6;

#if defined(__AVX512F__)

constexpr int kTileVectors = 4;  // 24 of 32 registers, each with the 16 lanes of a vector

template <Precision P, int R, int V>
MT_INLINE void tile_product(int steps, RowWords a, ColumnWords b, Tile out) {
  microkernel<P, R, V>(steps, a, b, out);
}

#else

constexpr int kTileVectors = 1;  // a vector of 16 lanes takes 2 registers of AVX, 4 of SSE and NEON

#if defined(__ARM_NEON)
constexpr int kColumnRegisters = 4;  // times 6 rows: 24 of 32 registers
#else
constexpr int kColumnRegisters = 2;  // times 6 rows: 12 of 16 registers
#endif

MT_INLINE NativeFloats* registers_at(float* data) { return reinterpret_cast<NativeFloats*>(data); }

MT_INLINE const NativeFloats* registers_at(const float* data) {
  return reinterpret_cast<const NativeFloats*>(data);
}

MT_INLINE NativeFloats add_product(NativeFloats a, NativeFloats b, NativeFloats c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return fused(a, b, c);
#else
  return a * b + c;  // fused in software it would take a hundred times as long
#endif
}

template <Precision P, int R, int V>
MT_INLINE void tile_product(int steps, RowWords a, ColumnWords b, Tile out) {
  static_assert(P == Precision::kFloat32 && V == 1);
  constexpr int N = kColumnRegisters;
  for (int first = 0; first < kLanes; first += N * kNativeLanes) {
    NativeFloats sums[R][N];
    const float* rows[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      rows[r] = reinterpret_cast<const float*>(a.words + r * a.row_stride);
      const float* before = out.data + r * out.row_stride + first;
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n)
        sums[r][n] = out.accumulate ? registers_at(before)[n] : NativeFloats{};
    }
    const float* columns = reinterpret_cast<const float*>(b.words) + first;
    for (int step = 0; step < steps; ++step) {
      NativeFloats weights[N];
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) weights[n] = registers_at(columns + step * b.step_stride)[n];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const NativeFloats x = rows[r][step * a.step_stride] - NativeFloats{};
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) sums[r][n] = add_product(x, weights[n], sums[r][n]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n)
        registers_at(out.data + r * out.row_stride + first)[n] = sums[r][n];
  }
}

#endif

constexpr int kTileColumns = kTileVectors * kLanes;

// A matrix of matmul, as it is in memory.
struct Operand {
  const void* data;
  size_t outer;  // elements from one row of A, or one column of B, to the next
  size_t inner;  // elements from one input to the next
};

}  // namespace mt
