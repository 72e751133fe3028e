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
