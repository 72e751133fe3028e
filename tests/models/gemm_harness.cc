// The matrix products without a decoder. Packs tensors of every type of GGML, multiplies them with
// any number of rows, compares with sums in float64, and prints a hash of the results of each.
#include <cstdio>
#include <thread>

#include "../../src/multiturn/models/native/cpp/gemm.h"

namespace {

constexpr int kInputs = 512, kOutputs = 150, kMaxRows = 70;

class Random {
 public:
  uint32_t bits() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33);
  }
  float number() {
    return static_cast<float>(static_cast<int32_t>(bits() >> 7) - (1 << 23)) / (1 << 23);
  }

 private:
  uint64_t state_ = 1;
};

// Blocks of any bits, but with scales of ordinary size.
std::vector<uint8_t> random_tensor(mt::GgmlType type, Random& random) {
  const mt::GgmlLayout layout = mt::layout_of(type);
  std::vector<uint8_t> bytes(layout.row_bytes(kInputs) * kOutputs);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.bits());
  const auto put = [&](size_t at, float value) {
    const mt::Float16 half = mt::to_half(value);
    std::memcpy(&bytes[at], &half, sizeof half);
  };
  for (size_t at = 0; at < bytes.size(); at += layout.bytes) {
    const float x = random.number();
    if (type == mt::GgmlType::kF32)
      std::memcpy(&bytes[at], &x, sizeof x);
    else if (type == mt::GgmlType::kF16)
      put(at, x);
    else if (type == mt::GgmlType::kBF16) {
      const mt::Bfloat16 half = mt::to_bfloat16(x);
      std::memcpy(&bytes[at], &half, sizeof half);
    } else if (type == mt::GgmlType::kQ6_K)
      put(at + 208, x * 0.001f);
    else {
      put(at, x * 0.05f);
      if (layout.minima) put(at + 2, random.number() * 0.05f);
    }
  }
  return bytes;
}

uint64_t hash(const std::vector<float>& values) {
  uint64_t state = 14695981039346656037u;
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (size_t i = 0; i < values.size() * sizeof(float); ++i)
    state = (state ^ bytes[i]) * 1099511628211u;
  return state;
}

std::vector<float> product(const mt::PackedWeights& weights, const mt::PackedActivations& x,
                           int rows) {
  std::vector<float> out(rows * kOutputs), panel(rows * mt::kPanel, 7.0f);
  for (int p = 0; p < weights.panels(); ++p) {
    mt::gemm_panel(x, rows, weights, p, panel.data());
    for (int r = 0; r < rows; ++r)
      std::memcpy(&out[r * kOutputs + weights.panel(p).first], &panel[r * mt::kPanel],
                  weights.panel(p).outputs * sizeof(float));
  }
  return out;
}

// The greatest difference from sums of the file's weights in float64, relative to the greatest sum.
double error_of(const std::vector<float>& out, const mt::Source& source,
                const std::vector<float>& activations, int rows) {
  double greatest = 0, error = 0;
  std::vector<float> row(kInputs);
  for (int n = 0; n < kOutputs; ++n) {
    for (int g = 0; g < kInputs / mt::kGroup; ++g)
      mt::read_values(source.type, source.row(n), g, mt::kGroup, &row[g * mt::kGroup]);
    for (int r = 0; r < rows; ++r) {
      double sum = 0;
      for (int k = 0; k < kInputs; ++k)
        sum += static_cast<double>(row[k]) * activations[r * kInputs + k];
      greatest = std::max(greatest, std::fabs(sum));
      error = std::max(error, std::fabs(sum - out[r * kOutputs + n]));
    }
  }
  return error / greatest;
}

}  // namespace

int main() {
  using mt::GgmlType, mt::Precision;
  const std::pair<const char*, GgmlType> types[] = {
      {"F32", GgmlType::kF32},   {"F16", GgmlType::kF16},   {"BF16", GgmlType::kBF16},
      {"Q4_0", GgmlType::kQ4_0}, {"Q4_1", GgmlType::kQ4_1}, {"Q5_0", GgmlType::kQ5_0},
      {"Q5_1", GgmlType::kQ5_1}, {"Q8_0", GgmlType::kQ8_0}, {"Q4_K", GgmlType::kQ4_K},
      {"Q5_K", GgmlType::kQ5_K}, {"Q6_K", GgmlType::kQ6_K}};
  const std::pair<const char*, Precision> precisions[] = {{"float32", Precision::kFloat32},
                                                          {"bfloat16", Precision::kBfloat16},
                                                          {"int8", Precision::kInt8},
                                                          {"int4", Precision::kInt4}};
  Random random;
  std::vector<float> numbers(kMaxRows * kInputs);
  for (float& x : numbers) x = random.number();
  for (int k = 0; k < 64; ++k) numbers[kInputs + k] = 0;  // two groups without a scale
  for (const auto& [type_name, type] : types) {
    const std::vector<uint8_t> tensor = random_tensor(type, random);
    const mt::Source source{tensor.data(), type, true, kInputs, kOutputs};
    for (const auto& [precision_name, precision] : precisions) {
      mt::PackedWeights weights(kInputs, {kOutputs - 80, 80}, precision);
      for (int part = 0; part < 2; ++part) {
        mt::Source here = source;
        here.data = source.row(part * (kOutputs - 80));
        here.outputs = weights.part_outputs(part);
        weights.allocate(part, type);
        for (int p = 0; p < weights.part_panels(part); ++p) weights.pack(part, p, here);
      }
      mt::PackedActivations x(kMaxRows, kInputs, precision);
      for (int r = 0; r < kMaxRows; ++r) x.set(r, &numbers[r * kInputs], kInputs);
      const std::vector<float> all = product(weights, x, kMaxRows);
      for (int rows = 1; rows < kMaxRows; rows += rows < 20 ? 1 : 7) {
        const std::vector<float> some = product(weights, x, rows);
        if (std::memcmp(some.data(), all.data(), some.size() * sizeof(float)) != 0) {
          std::printf("%s as %s: %d rows differ from %d\n", type_name, precision_name, rows,
                      kMaxRows);
          return 1;
        }
      }
      std::printf("%s %s %016llx %.1g\n", type_name, precision_name,
                  static_cast<unsigned long long>(hash(all)),
                  error_of(all, source, numbers, kMaxRows));
    }
  }
}
