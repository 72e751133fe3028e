// Memory for weights and activations: aligned to a cache line, and on large pages where the
// system has them, because a walk through a gigabyte of small pages misses the TLB all the time.
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
class AlignedBuffer {
 public:
  AlignedBuffer() = default;

  // `count` elements, all zero.
  explicit AlignedBuffer(size_t count) {
    if (count == 0) return;
    const size_t bytes = count * sizeof(T);
    const size_t alignment = bytes >= kLargePage ? kLargePage : kCacheLine;
    const size_t allocated = (bytes + alignment - 1) / alignment * alignment;
    data_ = static_cast<T*>(std::aligned_alloc(alignment, allocated));
    if (data_ == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (alignment == kLargePage) madvise(data_, allocated, MADV_HUGEPAGE);
#endif
    std::memset(static_cast<void*>(data_), 0, allocated);
    size_ = count;
  }

  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~AlignedBuffer() { std::free(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  size_t bytes() const { return size_ * sizeof(T); }
  bool empty() const { return size_ == 0; }

 private:
  static constexpr size_t kCacheLine = 64;
  static constexpr size_t kLargePage = size_t{2} << 20;

  void swap(AlignedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace mt
