// Decoders by handle: a number that was closed is refused, where an address would crash.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "decoder.h"

namespace mt {

class Registry {
 public:
  int64_t add(std::shared_ptr<Decoder> decoder) {
    const std::lock_guard<std::mutex> lock(mutex_);
    decoders_[++last_handle_] = std::move(decoder);
    return last_handle_;
  }
  // Null for an unknown handle. The returned pointer keeps the decoder alive.
  std::shared_ptr<Decoder> find(int64_t handle) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = decoders_.find(handle);
    return found == decoders_.end() ? nullptr : found->second;
  }
  void remove(int64_t handle) {
    std::shared_ptr<Decoder> removed;  // destroyed after the lock is released
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = decoders_.find(handle);
    if (found == decoders_.end()) return;
    removed = std::move(found->second);
    decoders_.erase(found);
  }

 private:
  mutable std::mutex mutex_;
  std::map<int64_t, std::shared_ptr<Decoder>> decoders_;
  int64_t last_handle_ = 0;
};

Registry& registry();

}  // namespace mt
