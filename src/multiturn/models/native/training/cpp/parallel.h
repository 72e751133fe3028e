// Parallel loops on the thread pool of XLA, and working memory that is reused between calls. The
// pool is a template parameter, so that tests run the kernels without XLA.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "../../cpp/aligned_buffer.h"

namespace mt {

// Calls body(i) for every i in [0, count), and returns when all calls have returned. The caller
// takes part and waits only for indices that a helper has claimed, so the loop ends even if all
// threads of the pool wait in such loops and no helper ever starts. The assignment of indices to
// threads never changes a result.
template <class Pool, class Body>
void parallel_for(Pool& pool, int count, const Body& body) {
  struct State {
    std::atomic<int> next{0};
    std::atomic<int> done{0};
  };
  const auto state = std::make_shared<State>();
  // A helper that starts late claims no index, and so never uses a body that is gone.
  const auto run = [state, body = &body, count] {
    for (int i; (i = state->next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      (*body)(i);
      state->done.fetch_add(1, std::memory_order_release);
      state->done.notify_one();
    }
  };
  const int helpers = std::min<int>(static_cast<int>(pool.num_threads()), count) - 1;
  for (int helper = 0; helper < helpers; ++helper) pool.Schedule([run] { run(); });
  run();
  for (int done; (done = state->done.load(std::memory_order_acquire)) < count;)
    state->done.wait(done);
}

// N arrays for the duration of one call. The memory comes from a pool of earlier calls' memory,
// because the first touch of fresh pages costs more than a matrix product.
//
// The sizes are given once, and the pointers follow from them:
//
//   ScratchArrays<2> scratch({rows * width, rows});
//   const auto [x, totals] = scratch.pointers<float>();
template <size_t N>
class ScratchArrays {
 public:
  // The sizes are in words of four bytes. The arrays are aligned to cache lines and hold garbage.
  explicit ScratchArrays(const size_t (&words)[N]) {
    size_t total = 0;
    for (size_t i = 0; i < N; ++i) {
      begins_[i] = total;
      total += (words[i] + kAlignment - 1) / kAlignment * kAlignment;
    }
    buffer_ = pool().take(total);
  }
  ScratchArrays(const ScratchArrays&) = delete;
  ScratchArrays& operator=(const ScratchArrays&) = delete;
  ~ScratchArrays() { pool().give_back(std::move(buffer_)); }

  template <class T>
  std::array<T*, N> pointers() {
    static_assert(sizeof(T) == sizeof(uint32_t));
    std::array<T*, N> all;
    for (size_t i = 0; i < N; ++i) all[i] = reinterpret_cast<T*>(buffer_.data() + begins_[i]);
    return all;
  }

 private:
  using Buffer = AlignedBuffer<uint32_t>;
  static constexpr size_t kAlignment = 16;

  class Pool {
   public:
    // The smallest buffer that is large enough; else a new one, which replaces an old one.
    Buffer take(size_t words) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        size_t best = free_.size();
        for (size_t i = 0; i < free_.size(); ++i)
          if (free_[i].size() >= words &&
              (best == free_.size() || free_[i].size() < free_[best].size()))
            best = i;
        if (best < free_.size()) {
          std::swap(free_[best], free_.back());
          Buffer found = std::move(free_.back());
          free_.pop_back();
          return found;
        }
        if (!free_.empty()) free_.pop_back();
      }
      return Buffer(words);
    }
    void give_back(Buffer buffer) {
      const std::lock_guard<std::mutex> lock(mutex_);
      free_.push_back(std::move(buffer));
    }

   private:
    std::mutex mutex_;
    std::vector<Buffer> free_;
  };

  static Pool& pool() {
    static auto* instance = new Pool;  // never destroyed: threads may use it at exit
    return *instance;
  }

  std::array<size_t, N> begins_{};
  Buffer buffer_;
};

}  // namespace mt
