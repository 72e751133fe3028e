// AMX's tile registers, in one configuration for all kernels: eight tiles of sixteen rows of 64
// bytes. Results of rows and columns beyond a matrix are computed and not used.
#pragma once

#if defined(__AMX_TILE__)
#include <immintrin.h>

#include <cstdint>

namespace mt {

constexpr int kTileRowBytes = 64;

// Has to be called by each thread before its first product by tiles.
inline void configure_tiles() {
  struct alignas(64) Configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  };
  static constexpr Configuration kConfiguration = {
      1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
  static thread_local bool configured = false;
  if (configured) return;
  _tile_loadconfig(&kConfiguration);
  configured = true;
}

}  // namespace mt
#endif
