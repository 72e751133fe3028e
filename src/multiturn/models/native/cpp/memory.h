// Memory for weights and work: aligned to a cache line, in large pages where the system
// has them, since walking through a gigabyte in small ones costs a page-table walk each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace mt {

template <class T>
class Memory {
 public:
  Memory() = default;

  // `count` zeros.
  explicit Memory(size_t count) {
    if (count == 0) return;
    const size_t bytes = count * sizeof(T);
    const size_t grain = bytes >= kLargePage ? kLargePage : 64;
    const size_t whole = (bytes + grain - 1) / grain * grain;
    data_ = static_cast<T*>(std::aligned_alloc(grain, whole));
    if (data_ == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (grain == kLargePage) madvise(data_, whole, MADV_HUGEPAGE);
#endif
    std::memset(static_cast<void*>(data_), 0, whole);
    count_ = count;
  }

  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Memory() { std::free(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

 private:
  static constexpr size_t kLargePage = size_t{2} << 20;

  void swap(Memory& other) {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }

  T* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace mt
