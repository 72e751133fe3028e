// The native kernels without Python and XLA, for tests that compile them with sanitizers or for
// another processor. Prints a hash of the results of each kernel.
#include <cstdio>
#include <thread>

#include "../../src/multiturn/models/native/cpp/decoder.h"
#include "../../src/multiturn/models/native/training/cpp/activations.h"
#include "../../src/multiturn/models/native/training/cpp/attention.h"
#include "../../src/multiturn/models/native/training/cpp/cross_entropy.h"
#include "../../src/multiturn/models/native/training/cpp/matmul.h"
#include "../../src/multiturn/models/native/training/cpp/norm.h"
#include "../../src/multiturn/models/native/training/cpp/rope.h"

namespace {

// Numbers of ordinary size that are the same on every processor.
class Random {
 public:
  float next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(static_cast<int32_t>(state_ >> 40) - (1 << 23)) / (1 << 23);
  }
  std::vector<float> floats(size_t count, float scale = 1.0f) {
    std::vector<float> all(count);
    for (float& x : all) x = next() * scale;
    return all;
  }
  template <class T>
  std::vector<T> numbers(size_t count) {
    const std::vector<float> given = floats(count);
    std::vector<T> all(count);
    mt::copy_row(given.data(), static_cast<int>(count), all.data());
    return all;
  }

 private:
  uint64_t state_ = 1;
};

// FNV-1a.
template <class T>
uint64_t hash(const std::vector<T>& values, uint64_t state = 14695981039346656037u) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (size_t i = 0; i < values.size() * sizeof(T); ++i)
    state = (state ^ bytes[i]) * 1099511628211u;
  return state;
}

void print(const char* name, uint64_t state) {
  std::printf("%s %016llx\n", name, static_cast<unsigned long long>(state));
}

// What the kernels for training use of XLA's thread pool.
struct Threads {
  std::vector<std::thread> all;
  int64_t num_threads() const { return 3; }
  template <class Task>
  void Schedule(Task task) {
    all.emplace_back(std::move(task));
  }
  ~Threads() {
    for (std::thread& thread : all) thread.join();
  }
};

void run_decoder(mt::Precision precision, bool gelu) {
  mt::DecoderConfig c{};
  c.vocab_size = 131, c.layers = 2, c.d_model = 93, c.heads = 6, c.kv_heads = gelu ? 6 : 2;
  c.head_dim = 20, c.mlp_dim = 199, c.rotary_dim = 8, c.interleaved_rope = c.layer_norm = gelu;
  c.gelu = c.parallel_residual = gelu, c.max_seq_len = 192;
  c.precision = static_cast<int32_t>(precision), c.threads = 2, c.norm_eps = 1e-5f;
  mt::Decoder decoder(c);
  Random random;
  const auto set = [&](const char* name, int layer, size_t count, float scale) {
    decoder.set(name, layer, random.floats(count, scale).data(), 0, false, count);
  };
  const size_t d = c.d_model;
  set("embedding", -1, d * c.vocab_size, 1.0f);
  set("final_norm_scale", -1, d, 1.0f);
  set("cosine", -1, c.max_seq_len * c.rotary_pairs(), 1.0f);
  set("sine", -1, c.max_seq_len * c.rotary_pairs(), 1.0f);
  for (int layer = 0; layer < c.layers; ++layer) {
    set("norm_scale", layer, d, 1.0f);
    if (!gelu) set("mlp_norm_scale", layer, d, 1.0f);
    set("query", layer, d * c.query_size(), 0.1f);
    set("key", layer, d * c.kv_size(), 0.1f);
    set("value", layer, d * c.kv_size(), 0.1f);
    set("key_bias", layer, c.kv_size(), 0.1f);
    set("attention_out", layer, d * c.query_size(), 0.1f);
    if (!gelu) set("gate", layer, d * c.mlp_dim, 0.1f);
    set("up", layer, d * c.mlp_dim, 0.1f);
    set("down", layer, d * c.mlp_dim, 0.1f);
    set("down_bias", layer, d, 0.1f);
  }
  constexpr int kRows = 3, kBlocks = 3;
  const size_t block = mt::block_bytes(c);
  mt::AlignedBuffer<uint8_t> cache(kRows * kBlocks * block);
  std::vector<uint64_t> blocks(kRows * kBlocks);
  for (size_t i = 0; i < blocks.size(); ++i)
    blocks[i] = reinterpret_cast<uint64_t>(cache.data() + i * block);
  uint64_t state = 0;
  std::vector<int32_t> lengths = {0, 0, 0};
  for (const std::vector<int32_t>& counts :
       {std::vector<int32_t>{130, 0, 5}, std::vector<int32_t>{1, 1, 70}}) {
    const int total = counts[0] + counts[1] + counts[2];
    std::vector<int32_t> tokens(total);
    for (int i = 0; i < total; ++i) tokens[i] = i * 7 % 131;
    const std::vector<uint8_t> wanted(total, 1);
    std::vector<float> hidden(total * d), logits(total * c.vocab_size);
    decoder.forward({kRows, tokens.data(), counts.data(), lengths.data(), blocks.data(), kBlocks,
                     wanted.data(), hidden.data()});
    decoder.unembed(hidden.data(), total, logits.data());
    for (int row = 0; row < kRows; ++row) lengths[row] += counts[row];
    state = hash(logits, hash(hidden, state));
    const std::vector<float> temperature = {1.0f, 0.0f, 0.5f}, top_p = {0.9f, 1.0f, 1.0f};
    const std::vector<float> uniforms = {0.3f, 0.5f, 0.99f};
    const std::vector<int32_t> top_k = {0, 0, 20};
    const std::vector<uint8_t> want = {1, 0, 1};
    std::vector<int32_t> drawn(kRows);
    std::vector<float> logprobs(kRows);
    decoder.sample({kRows, logits.data(), temperature.data(), top_p.data(), top_k.data(),
                    uniforms.data(), want.data(), drawn.data(), logprobs.data()});
    state = hash(drawn, state);
  }
  print("decoder", state);
}

template <class T>
void run_training() {
  Random random;
  Threads pool;
  const size_t rows = 97, inputs = 301, columns = 130;
  const auto a = random.numbers<T>(rows * inputs), b = random.numbers<T>(inputs * columns);
  std::vector<float> product(rows * columns);
  mt::matmul<T>(pool, rows, columns, inputs, {a.data(), inputs, 1}, {b.data(), 1, columns},
                product.data());
  uint64_t state = hash(product);
  mt::matmul<T>(pool, rows, columns, inputs, {a.data(), 1, rows}, {b.data(), inputs, 1},
                product.data());
  print("matmul", hash(product, state));

  const mt::AttentionShape shape{2, 97, 4, 2, 40};
  const size_t queries = 2 * 97 * 4 * 40, keys = queries / 2;
  const auto q = random.numbers<T>(queries), k = random.numbers<T>(keys);
  const auto v = random.numbers<T>(keys), d_out = random.numbers<T>(queries);
  std::vector<T> out(queries), d_q(queries), d_k(keys), d_v(keys);
  std::vector<float> logsumexp(2 * 4 * 97);
  std::vector<int32_t> documents(2 * 97);
  for (size_t i = 0; i < documents.size(); ++i) documents[i] = static_cast<int32_t>(i / 30);
  mt::attention<T>(pool, shape, q.data(), k.data(), v.data(), documents.data(), out.data(),
                   logsumexp.data());
  mt::attention_gradient<T>(pool, shape, q.data(), k.data(), v.data(), nullptr, out.data(),
                            logsumexp.data(), d_out.data(), d_q.data(), d_k.data(), d_v.data());
  print("attention", hash(d_v, hash(d_k, hash(d_q, hash(out)))));
}

// What a block computes row by row; the widths are no multiples of a vector.
template <class T>
void run_rows() {
  Random random;
  Threads pool;
  const int rows = 97, width = 131;
  const size_t size = static_cast<size_t>(rows) * width;
  const auto x = random.numbers<T>(size), other = random.numbers<T>(size);
  const auto d_y = random.numbers<T>(size);
  const auto scale = random.floats(width), bias = random.floats(width);
  std::vector<T> y(size), d_x(size), d_other(size);
  std::vector<float> d_scale(width), d_bias(width);

  mt::gelu<T>(pool, rows, width, x.data(), bias.data(), y.data());
  mt::gelu_gradient<T>(pool, rows, width, x.data(), bias.data(), d_y.data(), d_x.data(),
                       d_bias.data());
  uint64_t state = hash(d_bias, hash(d_x, hash(y)));
  mt::gelu<T>(pool, rows, width, x.data(), nullptr, y.data());
  mt::gelu_gradient<T>(pool, rows, width, x.data(), nullptr, d_y.data(), d_x.data(), nullptr);
  state = hash(d_x, hash(y, state));
  mt::silu_product<T>(pool, rows, width, x.data(), other.data(), y.data());
  mt::silu_product_gradient<T>(pool, rows, width, x.data(), other.data(), d_y.data(), d_x.data(),
                               d_other.data());
  print("activations", hash(d_other, hash(d_x, hash(y, state))));

  std::vector<float> means(rows), inverses(rows);
  state = 0;
  for (const bool center : {true, false}) {
    const float* shift = center ? bias.data() : nullptr;
    mt::norm<T>(pool, rows, width, {center, 1e-5f}, x.data(), scale.data(), shift, y.data(),
                means.data(), inverses.data());
    mt::norm_gradient<T>(pool, rows, width, center, x.data(), scale.data(), means.data(),
                         inverses.data(), d_y.data(), d_x.data(), d_scale.data(),
                         center ? d_bias.data() : nullptr);
    state = hash(d_bias, hash(d_scale, hash(d_x, hash(y, state))));
  }
  print("norm", state);

  const int length = 16, heads = 3, head_dim = 13;
  const auto cosines = random.floats(length * 4), sines = random.floats(length * 4);
  state = 0;
  for (const bool interleaved : {true, false}) {
    mt::rope<T>(pool, {2, length, heads, head_dim, 8, interleaved}, -1.0f, x.data(), cosines.data(),
                sines.data(), y.data());
    state = hash(y, state);
  }
  print("rope", state);

  const auto logits = random.floats(size), weights = random.floats(rows);
  std::vector<int32_t> targets(rows);
  for (int row = 0; row < rows; ++row) targets[row] = row * 3 - 1;  // some are in no vocabulary
  std::vector<float> entropies(rows), log_z(rows);
  state = 0;
  for (const bool biased : {true, false}) {
    mt::cross_entropy<T>(pool, rows, width, logits.data(), biased ? bias.data() : nullptr,
                         targets.data(), weights.data(), 1e-4f, entropies.data(), log_z.data(),
                         d_x.data(), biased ? d_bias.data() : nullptr);
    state = hash(d_bias, hash(d_x, hash(log_z, state)));
  }
  print("cross_entropy", state);
}

}  // namespace

int main() {
  for (const auto precision :
       {mt::Precision::kFloat32, mt::Precision::kBfloat16, mt::Precision::kInt8})
    for (const bool gelu : {false, true}) run_decoder(precision, gelu);
  run_training<float>();
  run_training<mt::Bfloat16>();
  run_rows<float>();
  run_rows<mt::Bfloat16>();
}
