// The product of bfloat16 matrices on the matrix unit of AMX, for 32 rows and 32 columns at a time.
//
// A tile of A has 16 rows of 16 words, each of two inputs; one of B has 16 words of inputs for 16
// columns. Sums are float32, and what is too small for a normal number is zero.
#pragma once

#include "../../cpp/amx.h"
#include "tile.h"
#include "transpose.h"

#if defined(MT_AMX) && defined(__AMX_BF16__)
#define MT_AMX_BFLOAT16 1

namespace mt {

// See VectorKernel.
struct AmxKernel {
  static constexpr int kPerWord = 2;
  static constexpr int kRows = 2 * kAmxRows;
  static constexpr int kStepMultiple = kLanes;
  static_assert(kTileColumns % (2 * kLanes) == 0);

  // Sums in tiles 0 to 3, A in 4 and 5, B in 6 and 7.
  struct Thread : AmxTiles {
    Thread()
        : AmxTiles({.row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                    .rows = {16, 16, 16, 16, 16, 16, 16, 16}}) {}
  };

  // Packs A as to[step / 16][row][step % 16], with zeros around.
  static void pack_rows(const Bfloat16* from, const Operand& a, int count, int inputs,
                        uint32_t* to) {
    constexpr int kInputs = kLanes * kPerWord;
    for (int begin = 0; begin < inputs; begin += kInputs) {
      const int width = std::min(kInputs, inputs - begin);
      for (int first = 0; first < kRows; first += kAmxRows, to += kAmxRows * kLanes) {
        auto& tile = *reinterpret_cast<WordSquare*>(to);
        const int rows = std::clamp(count - first, 0, kAmxRows);
        const Bfloat16* corner = from + first * a.outer + begin * a.inner;
        if (rows < kAmxRows || width < kInputs) std::memset(tile, 0, sizeof tile);
        if (a.inner == 1) {
          for (int row = 0; row < rows; ++row)
            std::memcpy(tile[row], corner + row * a.outer, width * sizeof(Bfloat16));
        } else {
          for (int input = 0; input < width; input += kPerWord)
            pair_inputs(corner + input * a.inner, a.outer, input + 1 < width ? a.inner : 0, rows,
                        tile[input / kPerWord]);
          transpose(tile);
        }
      }
    }
  }

  static void product(int steps, const uint32_t* rows, const uint32_t* columns, Tile out) {
    const size_t out_bytes = out.row_stride * sizeof(float);
    const size_t column_bytes = kTileColumns * sizeof(uint32_t);
    for (int column = 0; column < kTileColumns; column += 2 * kLanes) {
      float* sums = out.data + column;
      float* below = sums + kAmxRows * out.row_stride;
      if (out.accumulate) {
        MT_AMX_LOAD(0, sums, out_bytes);
        MT_AMX_LOAD(1, sums + kLanes, out_bytes);
        MT_AMX_LOAD(2, below, out_bytes);
        MT_AMX_LOAD(3, below + kLanes, out_bytes);
      } else {
        asm volatile("tilezero %%tmm0; tilezero %%tmm1; tilezero %%tmm2; tilezero %%tmm3" ::);
      }
      const uint32_t* a = rows;
      const uint32_t* b = columns + column;
      for (int step = 0; step < steps; step += kLanes) {
        MT_AMX_LOAD(4, a, kAmxTileBytes);
        MT_AMX_LOAD(6, b, column_bytes);
        asm volatile("tdpbf16ps %%tmm6, %%tmm4, %%tmm0" ::);
        MT_AMX_LOAD(7, b + kLanes, column_bytes);
        asm volatile("tdpbf16ps %%tmm7, %%tmm4, %%tmm1" ::);
        MT_AMX_LOAD(5, a + kAmxRows * kLanes, kAmxTileBytes);
        asm volatile("tdpbf16ps %%tmm6, %%tmm5, %%tmm2; tdpbf16ps %%tmm7, %%tmm5, %%tmm3" ::);
        a += kRows * kLanes;
        b += kLanes * kTileColumns;
      }
      MT_AMX_STORE(0, sums, out_bytes);
      MT_AMX_STORE(1, sums + kLanes, out_bytes);
      MT_AMX_STORE(2, below, out_bytes);
      MT_AMX_STORE(3, below + kLanes, out_bytes);
    }
  }

 private:
  // to[row] = the values of two inputs for each row; `next` is the distance of the second one
  // from the first, or 0 if there is none.
  static void pair_inputs(const Bfloat16* from, size_t outer, size_t next, int rows, uint32_t* to) {
    if (outer == 1 && rows == kAmxRows && next != 0) {
      const auto widened = [](const Bfloat16* halves) {
        return __builtin_convertvector(*reinterpret_cast<const Halves*>(halves), Words);
      };
      *reinterpret_cast<Words*>(to) = widened(from) | widened(from + next) << 16;
      return;
    }
    for (int row = 0; row < rows; ++row) {
      to[row] = from[row * outer];
      if (next != 0) to[row] |= static_cast<uint32_t>(from[row * outer + next]) << 16;
    }
  }
};

}  // namespace mt

#endif
