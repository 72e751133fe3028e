// The functions that Python calls through ctypes. Decoders are known by their handles. Every
// function that can fail returns 1 (or a handle), or 0 with the reason in `error`.
#include <exception>

#include "registry.h"

#ifndef MT_VARIANT
#define MT_VARIANT "unknown"
#endif

#define MT_EXPORT extern "C" __attribute__((visibility("default")))

namespace mt {

Registry& registry() {
  static auto* instance = new Registry;  // never destroyed: threads may use it at exit
  return *instance;
}

namespace {

// Calls work() and returns its result. An exception becomes 0, with its message in `error`.
template <class Work>
auto guarded(char* error, int32_t error_size, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& exception) {
    if (error != nullptr && error_size > 0) {
      std::strncpy(error, exception.what(), error_size - 1);
      error[error_size - 1] = '\0';
    }
    return 0;
  }
}

// Calls work(decoder) and returns 1, or 0 with the reason in `error`.
template <class Work>
int32_t with_decoder(int64_t handle, char* error, int32_t error_size, Work&& work) {
  return guarded(error, error_size, [&] {
    const auto decoder = registry().find(handle);
    if (!decoder) throw std::invalid_argument("the decoder was closed");
    work(*decoder);
    return 1;
  });
}

}  // namespace
}  // namespace mt

// The variant that this library was compiled for; see variants.py.
MT_EXPORT const char* mt_variant() { return MT_VARIANT; }

// Creates a decoder from settings by name; see read_config. Returns its handle, which is positive.
MT_EXPORT int64_t mt_create(const char* const* names, const double* values, int32_t count,
                            char* error, int32_t error_size) {
  return mt::guarded(error, error_size, [&] {
    return mt::registry().add(std::make_shared<mt::Decoder>(mt::read_config(names, values, count)));
  });
}

// See Weights::set.
MT_EXPORT int32_t mt_set(int64_t handle, const char* name, int32_t layer, const void* data,
                         int32_t type, int32_t outputs_first, int64_t elements, char* error,
                         int32_t error_size) {
  return mt::with_decoder(handle, error, error_size, [&](mt::Decoder& decoder) {
    decoder.set(name, layer, data, type, outputs_first != 0, elements);
  });
}

// The bytes of the packed weights; 0 for an unknown handle.
MT_EXPORT int64_t mt_bytes(int64_t handle) {
  const auto decoder = mt::registry().find(handle);
  return decoder ? static_cast<int64_t>(decoder->bytes()) : 0;
}

// The positions of a block of the KV cache.
MT_EXPORT int32_t mt_block_positions() { return mt::kBlockPositions; }

// The bytes of a block, which has to be aligned to 64 bytes; 0 for an unknown handle.
MT_EXPORT int64_t mt_block_bytes(int64_t handle) {
  const auto decoder = mt::registry().find(handle);
  return decoder ? static_cast<int64_t>(mt::block_bytes(decoder->config())) : 0;
}

// See Decoder::forward and Batch.
MT_EXPORT int32_t mt_forward(int64_t handle, int32_t rows, const int32_t* tokens,
                             const int32_t* counts, const int32_t* lengths, const uint64_t* blocks,
                             int32_t max_blocks, const uint8_t* wanted, float* hidden, char* error,
                             int32_t error_size) {
  return mt::with_decoder(handle, error, error_size, [&](mt::Decoder& decoder) {
    decoder.forward({rows, tokens, counts, lengths, blocks, max_blocks, wanted, hidden});
  });
}

// See Decoder::unembed.
MT_EXPORT int32_t mt_unembed(int64_t handle, const float* hidden, int32_t rows, float* logits,
                             char* error, int32_t error_size) {
  return mt::with_decoder(handle, error, error_size,
                          [&](mt::Decoder& decoder) { decoder.unembed(hidden, rows, logits); });
}

// See Sampling.
MT_EXPORT int32_t mt_sample(int64_t handle, int32_t rows, const float* logits,
                            const float* temperature, const float* top_p, const int32_t* top_k,
                            const float* uniforms, const uint8_t* want_logprobs, int32_t* tokens,
                            float* logprobs, char* error, int32_t error_size) {
  return mt::with_decoder(handle, error, error_size, [&](mt::Decoder& decoder) {
    decoder.sample(
        {rows, logits, temperature, top_p, top_k, uniforms, want_logprobs, tokens, logprobs});
  });
}

// Destroys the decoder once no call uses it. An unknown handle is ignored.
MT_EXPORT void mt_destroy(int64_t handle) { mt::registry().remove(handle); }
