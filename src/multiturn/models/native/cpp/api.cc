// What Python calls by ctypes: decoders are made, filled and freed here, by number. They are
// run through ffi.cc.
#include <exception>
#include <map>

#include "registry.h"

namespace mt {

Registry& registry() {
  static Registry* all = new Registry;  // never destroyed: threads may still use it at exit
  return *all;
}

namespace {

void say(const char* words, char* to, int32_t room) {
  if (to == nullptr || room <= 0) return;
  std::strncpy(to, words, room - 1);
  to[room - 1] = '\0';
}

}  // namespace
}  // namespace mt

extern "C" {

// The instructions that the kernels of this library were compiled with: those that the sources
// ask for by name.
__attribute__((visibility("default"))) const char* mt_variant() {
#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)
  return "AVX-512 with BF16 and VNNI";
#elif defined(__AVX512BF16__)
  return "AVX-512 with BF16";
#elif defined(__AVX512VNNI__)
  return "AVX-512 with VNNI";
#elif defined(__AVX512F__)
  return "AVX-512";
#elif defined(__AVX2__) && defined(__FMA__)
  return "AVX2 and FMA";
#elif defined(__AVX2__)
  return "AVX2 without FMA";
#elif defined(__AVX__)
  return "AVX";
#elif defined(__x86_64__)
  return "SSE";
#elif defined(__ARM_FEATURE_SVE)
  return "SVE";
#elif defined(__ARM_NEON)
  return "NEON";
#else
  return "plain vectors";
#endif
}

// The number of a new decoder, above 0; or 0, with the reason in `fault`.
__attribute__((visibility("default"))) int32_t mt_create(const mt::Spec* spec, char* fault, int32_t room) {
  try {
    return mt::registry().add(std::make_shared<mt::Decoder>(*spec));
  } catch (const std::exception& error) {
    mt::say(error.what(), fault, room);
    return 0;
  }
}

__attribute__((visibility("default"))) int32_t mt_set(int32_t number, const char* name, int32_t layer, const void* data,
                              int32_t is_bfloat16, char* fault, int32_t room) {
  try {
    const auto decoder = mt::registry().find(number);
    if (!decoder) throw std::invalid_argument("the decoder was closed");
    decoder->set(name, layer, data, is_bfloat16 != 0);
    return 1;
  } catch (const std::exception& error) {
    mt::say(error.what(), fault, room);
    return 0;
  }
}

__attribute__((visibility("default"))) int64_t mt_bytes(int32_t number) {
  const auto decoder = mt::registry().find(number);
  return decoder ? static_cast<int64_t>(decoder->bytes()) : 0;
}

__attribute__((visibility("default"))) void mt_destroy(int32_t number) { mt::registry().remove(number); }

}  // extern "C"
