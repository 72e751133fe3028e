// The functions that Python calls through ctypes: decoders are created, filled and destroyed here,
// by handle. They run through ffi.cc.
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
int32_t guarded(char* error, int32_t error_size, Work&& work) {
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

}  // namespace
}  // namespace mt

// The variant that this library was compiled for; see variants.py.
MT_EXPORT const char* mt_variant() { return MT_VARIANT; }

// Creates a decoder from settings by name; see read_config. Returns its handle, which is positive,
// or 0 with the reason in `error`.
MT_EXPORT int32_t mt_create(const char* const* names, const double* values, int32_t count,
                            char* error, int32_t error_size) {
  return mt::guarded(error, error_size, [&] {
    return mt::registry().add(std::make_shared<mt::Decoder>(mt::read_config(names, values, count)));
  });
}

// See Weights::set. Returns 1, or 0 with the reason in `error`.
MT_EXPORT int32_t mt_set(int32_t handle, const char* name, int32_t layer, const void* data,
                         int32_t is_bfloat16, int64_t elements, char* error, int32_t error_size) {
  return mt::guarded(error, error_size, [&] {
    const auto decoder = mt::registry().find(handle);
    if (!decoder) throw std::invalid_argument("the decoder was closed");
    decoder->set(name, layer, data, is_bfloat16 != 0, elements);
    return 1;
  });
}

// The bytes of the packed weights; 0 for an unknown handle.
MT_EXPORT int64_t mt_bytes(int32_t handle) {
  const auto decoder = mt::registry().find(handle);
  return decoder ? static_cast<int64_t>(decoder->bytes()) : 0;
}

// Destroys the decoder once no call uses it. An unknown handle is ignored.
MT_EXPORT void mt_destroy(int32_t handle) { mt::registry().remove(handle); }
