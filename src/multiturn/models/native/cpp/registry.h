// Decoders by handle, so that a compiled JAX program contains a number and never an address.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "decoder.h"

namespace mt {

class Registry {
 public:
  int32_t add(std::shared_ptr<Decoder> decoder) {
    const std::lock_guard<std::mutex> lock(mutex_);
    decoders_[++last_handle_] = std::move(decoder);
    return last_handle_;
  }
  // Null for an unknown handle. The returned pointer keeps the decoder alive.
  std::shared_ptr<Decoder> find(int32_t handle) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = decoders_.find(handle);
    return found == decoders_.end() ? nullptr : found->second;
  }
  void remove(int32_t handle) {
    std::shared_ptr<Decoder> removed;  // destroyed after the lock is released
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = decoders_.find(handle);
    if (found == decoders_.end()) return;
    removed = std::move(found->second);
    decoders_.erase(found);
  }

 private:
  mutable std::mutex mutex_;
  std::map<int32_t, std::shared_ptr<Decoder>> decoders_;
  int32_t last_handle_ = 0;
};

Registry& registry();

}  // namespace mt
