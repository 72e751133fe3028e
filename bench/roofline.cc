// The bounds of this machine: how fast it reads memory and multiplies in registers. Prints JSON;
// bench/kernels.py compiles and runs it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

constexpr size_t kBytes = size_t{1} << 30;
constexpr long kTurns = 400000;
constexpr int kChains = 24;  // enough to hide the latency of an instruction
volatile long sink;          // so that the compiler computes what is measured

// Seconds that work(index) takes on every thread, the minimum of nine runs.
template <class Work>
double min_seconds(int threads, Work work) {
  double best = 1e9;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> others;
    for (int index = 1; index < threads; ++index) others.emplace_back(work, index);
    work(0);
    for (auto& thread : others) thread.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (took.count() < best) best = took.count();
  }
  return best;
}

double read_rate(int threads) {
  char* data = static_cast<char*>(std::aligned_alloc(size_t{2} << 20, kBytes));
#if defined(MADV_HUGEPAGE)
  madvise(data, kBytes, MADV_HUGEPAGE);
#endif
  std::memset(data, 1, kBytes);
  const double seconds = min_seconds(threads, [&](int index) {
    typedef long Longs __attribute__((vector_size(64)));
    const size_t part = kBytes / threads / 256 * 256;
    Longs sums[4] = {};
    for (size_t at = 0; at < part; at += 256)
      for (int i = 0; i < 4; ++i)
        sums[i] += *reinterpret_cast<Longs*>(data + index * part + at + 64 * i);
    sink = (sums[0] + sums[1] + sums[2] + sums[3])[0];
  });
  std::free(data);
  return kBytes / seconds / 1e9;
}

#if defined(__AVX512F__)
template <class Vector, class Step>
double product_rate(int threads, int operations, Step step) {
  const double seconds = min_seconds(threads, [&](int) {
    Vector sums[kChains];
    std::memset(&sums, 0, sizeof sums);
    for (long turn = 0; turn < kTurns; ++turn) {
#pragma GCC unroll 24
      for (int i = 0; i < kChains; ++i) {
        sums[i] = step(sums[i]);
        asm volatile("" : "+v"(sums[i]));
      }
    }
    long words;
    std::memcpy(&words, &sums[0], sizeof words);
    sink = words;
  });
  return static_cast<double>(threads) * kTurns * kChains * operations / seconds / 1e9;
}
#endif

}  // namespace

int main(int count, char** arguments) {
  const int threads = count > 1 ? std::atoi(arguments[1]) : 1;
  std::printf("{\"threads\": %d, \"read_gb_s\": %.1f", threads, read_rate(threads));
#if defined(__AVX512F__)
  std::printf(", \"float32_gflop_s\": %.0f", product_rate<__m512>(threads, 32, [](__m512 sums) {
                const __m512 x = _mm512_set1_ps(0.5f);
                return _mm512_fmadd_ps(x, x, sums);
              }));
#endif
#if defined(__AVX512BF16__)
  std::printf(", \"bfloat16_gflop_s\": %.0f", product_rate<__m512>(threads, 64, [](__m512 sums) {
                const __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f003f00);
                return _mm512_dpbf16_ps(sums, x, x);
              }));
#endif
#if defined(__AVX512VNNI__)
  std::printf(", \"int8_gop_s\": %.0f", product_rate<__m512i>(threads, 128, [](__m512i sums) {
                const __m512i x = _mm512_set1_epi32(0x01010101);
                return _mm512_dpbusd_epi32(sums, x, x);
              }));
#endif
  std::printf("}\n");
}
