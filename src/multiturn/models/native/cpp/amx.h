// The matrix unit of AMX: eight tiles of up to 16 rows of 64 bytes, which belong to a thread.
#pragma once

#if defined(__AMX_TILE__) && defined(__AVX512F__) && defined(__linux__)
#define MT_AMX 1

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace mt {

constexpr int kAmxRows = 16;
constexpr size_t kAmxTileBytes = 64;  // of a row

// Linux gives a process the registers of AMX only if it asks. If it refuses, vectors do the work.
inline bool amx_allowed() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  static const bool allowed = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return allowed;
}

struct AmxShapes {
  uint16_t row_bytes[8];
  uint8_t rows[8];
};

// Configures the tiles of this thread while it lives.
class AmxTiles {
 public:
  explicit AmxTiles(const AmxShapes& shapes) {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    static_assert(sizeof config == 64);
    for (int i = 0; i < 8; ++i) {
      config.row_bytes[i] = shapes.row_bytes[i];
      config.rows[i] = shapes.rows[i];
    }
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~AmxTiles() { asm volatile("tilerelease" :::); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;
};

}  // namespace mt

#define MT_AMX_STORE(tile, to, row_bytes) \
  asm volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"(row_bytes) : "memory")
#define MT_AMX_LOAD(tile, from, row_bytes) \
  asm volatile("tileloadd (%0,%1,1), %%tmm" #tile::"r"(from), "r"(row_bytes) : "memory")

#endif
