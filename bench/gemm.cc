// The time of one matrix product for each number of rows, on one thread. Prints a line of JSON for
// each. bench/gemm.py compiles it once for each variant of the kernels.
//
//     gemm PRECISION GGML_TYPE INPUTS OUTPUTS SECONDS ROWS...
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../src/multiturn/models/native/cpp/gemm.h"

namespace {

double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

// Any codes, with scales of ordinary size.
std::vector<uint8_t> tensor_of(mt::GgmlType type, int inputs, int outputs) {
  const mt::GgmlLayout layout = mt::layout_of(type);
  std::vector<uint8_t> bytes(layout.row_bytes(inputs) * outputs);
  uint32_t state = 1;
  for (uint8_t& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<uint8_t>(state >> 24);
  }
  for (size_t at = 0; at < bytes.size(); at += layout.bytes) {
    const mt::Float16 scale = mt::to_half(0.01f);
    if (layout.bytes > 4) std::memcpy(&bytes[at], &scale, sizeof scale);
    if (layout.minima) std::memcpy(&bytes[at + 2], &scale, sizeof scale);
  }
  if (type == mt::GgmlType::kF32)
    for (size_t at = 0; at < bytes.size(); at += 4) {
      const float x = bytes[at] * 0.01f;
      std::memcpy(&bytes[at], &x, sizeof x);
    }
  return bytes;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 7) return 2;
  const auto precision = static_cast<mt::Precision>(std::atoi(arguments[1]));
  const auto type = static_cast<mt::GgmlType>(std::atoi(arguments[2]));
  const int inputs = std::atoi(arguments[3]), outputs = std::atoi(arguments[4]);
  const double limit = std::atof(arguments[5]);
  mt::PackedWeights weights(inputs, {outputs}, precision);
  double packing;
  {
    const std::vector<uint8_t> tensor = tensor_of(type, inputs, outputs);
    const mt::Source source{tensor.data(), type, true, static_cast<size_t>(inputs),
                            static_cast<size_t>(outputs)};
    const double start = thread_seconds();
    weights.allocate(0, type);
    for (int panel = 0; panel < weights.panels(); ++panel) weights.pack(0, panel, source);
    packing = thread_seconds() - start;
  }
  for (int i = 6; i < count; ++i) {
    const int rows = std::atoi(arguments[i]);
    std::vector<float> x(inputs), out(static_cast<size_t>(rows) * mt::kPanel);
    for (int k = 0; k < inputs; ++k) x[k] = static_cast<float>(k % 17 - 8);
    mt::PackedActivations activations(rows, inputs, precision);
    for (int r = 0; r < rows; ++r) activations.set(r, x.data(), inputs);
    double least = 1e9;
    for (double total = 0; total < limit;) {
      const double start = thread_seconds();
      for (int panel = 0; panel < weights.panels(); ++panel)
        mt::gemm_panel(activations, rows, weights, panel, out.data());
      const double took = thread_seconds() - start;
      total += took;
      if (took < least) least = took;
    }
    const double products = 2.0 * rows * inputs * outputs;
    std::printf(
        "{\"rows\": %d, \"ms\": %.4f, \"gop_s\": %.1f, \"gb_s\": %.2f, \"pack_ms\": %.1f}\n", rows,
        1e3 * least, products / least / 1e9, weights.bytes() / least / 1e9, 1e3 * packing);
    std::fflush(stdout);
  }
}
