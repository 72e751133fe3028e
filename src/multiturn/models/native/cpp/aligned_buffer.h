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
#if defined(__linux__)
    if (bytes >= kLargePage) {
      // Fresh pages are zero, and a thread that first writes to them need not wait for another.
      const size_t reserved = bytes + kLargePage;
      void* all =
          mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (all == MAP_FAILED) throw std::bad_alloc();
      mapping_ = all;
      mapped_ = reserved;
      const uintptr_t begin = (reinterpret_cast<uintptr_t>(all) + kLargePage - 1) / kLargePage;
      data_ = reinterpret_cast<T*>(begin * kLargePage);
      madvise(data_, bytes, MADV_HUGEPAGE);
      size_ = count;
      return;
    }
#endif
    const size_t allocated = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
    data_ = static_cast<T*>(std::aligned_alloc(kCacheLine, allocated));
    if (data_ == nullptr) throw std::bad_alloc();
    std::memset(static_cast<void*>(data_), 0, allocated);
    size_ = count;
  }

  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~AlignedBuffer() {
#if defined(__linux__)
    if (mapping_ != nullptr) {
      munmap(mapping_, mapped_);
      return;
    }
#endif
    std::free(data_);
  }

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
    std::swap(mapping_, other.mapping_);
    std::swap(mapped_, other.mapped_);
  }

  T* data_ = nullptr;
  size_t size_ = 0;
  void* mapping_ = nullptr;
  size_t mapped_ = 0;
};

}  // namespace mt
