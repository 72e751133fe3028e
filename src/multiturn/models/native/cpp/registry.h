// Decoders by number, so that what a compiled JAX program carries is never an address.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "decoder.h"

namespace mt {

class Registry {
 public:
  int32_t add(std::shared_ptr<Decoder> decoder) {
    const std::lock_guard<std::mutex> alone(mutex_);
    decoders_[++last_] = std::move(decoder);
    return last_;
  }
  // Null where there is none. Whoever holds the answer keeps the decoder alive.
  std::shared_ptr<Decoder> find(int32_t number) const {
    const std::lock_guard<std::mutex> alone(mutex_);
    const auto found = decoders_.find(number);
    return found == decoders_.end() ? nullptr : found->second;
  }
  void remove(int32_t number) {
    std::shared_ptr<Decoder> last;  // freed after the lock
    const std::lock_guard<std::mutex> alone(mutex_);
    const auto found = decoders_.find(number);
    if (found == decoders_.end()) return;
    last = std::move(found->second);
    decoders_.erase(found);
  }

 private:
  mutable std::mutex mutex_;
  std::map<int32_t, std::shared_ptr<Decoder>> decoders_;
  int32_t last_ = 0;
};

Registry& registry();

}  // namespace mt
