// Threads that go through the layers of a decoder together.
//
// A parallel loop ends when its last iteration has ended, not when all threads have come to it.
// No thread waits for one that has no iteration in hand, such as one that the system has put
// aside for another process: the others do its work, and it skips the loops that it missed.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace mt {

inline void spin_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits for something: first in a loop, because a parallel loop lasts microseconds, then asleep,
// because a thread that loops takes time from other processes. How long it loops follows what the
// last waits would have needed; on a busy machine that is hardly at all.
class Waiter {
 public:
  // Returns once ready() is true; `event` is changed and notified after each time it becomes so.
  template <class Ready>
  void wait(const std::atomic<uint32_t>& event, Ready&& ready) {
    for (int spin = 0; spin < spins_; ++spin) {
      if (ready()) return;
      spin_pause();
    }
    const auto begin = std::chrono::steady_clock::now();
    for (;;) {
      const uint32_t seen = event.load(std::memory_order_acquire);
      if (ready()) break;
      event.wait(seen);
    }
    const auto asleep = std::chrono::steady_clock::now() - begin;
    // Waking up alone takes some fifty microseconds.
    spins_ = asleep < std::chrono::microseconds(150) ? std::min(2 * spins_, kMaxSpins)
                                                     : std::max(spins_ / 2, kMinSpins);
  }

 private:
  static constexpr int kMinSpins = 8;
  static constexpr int kMaxSpins = 1024;  // twenty to fifty microseconds

  int spins_ = kMaxSpins;
};

class ThreadPool {
 public:
  explicit ThreadPool(int threads) : size_(threads < 1 ? 1 : threads) {
    for (int index = 1; index < size_; ++index)
      threads_.emplace_back([this, index] { serve(index); });
  }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  ~ThreadPool() {
    stopped_.store(true, std::memory_order_relaxed);
    announce();
    for (auto& thread : threads_) thread.join();
  }

  int size() const { return size_; }

  // One thread of the pool during a call of `run`.
  class Worker {
   public:
    Worker(ThreadPool& pool, int index, Waiter& waiter, uint32_t loop)
        : pool_(pool), waiter_(waiter), index_(index), loop_(loop) {}

    int index() const { return index_; }

    // The number of the loop that this thread is in or comes to next. All threads give a loop the
    // same number, and no later one the same.
    uint32_t loop() const { return loop_; }

    // Calls body(i) for every i in [0, count), each on whichever thread is free, and returns when
    // all calls have returned. Every worker must make the same parallel_for calls in the same
    // order; what it does between them may read nothing that a loop writes. The assignment of
    // indices to threads never changes a result.
    template <class Body>
    void parallel_for(int count, Body&& body) {
      if (pool_.size_ == 1) {
        for (int i = 0; i < count; ++i) body(i);
        ++loop_;
      } else if (count > 0) {
        work(static_cast<uint32_t>(count), body);
        ++loop_;
      }
    }

   private:
    template <class Body>
    void work(uint32_t count, Body& body) {
      const uint64_t first = static_cast<uint64_t>(loop_) << 32;
      uint64_t next = pool_.next_.load(std::memory_order_acquire);
      while (next >> 32 == loop_ && next - first < count) {
        if (!pool_.next_.compare_exchange_weak(next, next + 1, std::memory_order_acq_rel)) continue;
        body(static_cast<int>(next - first));
        if (pool_.done_.fetch_add(1, std::memory_order_acq_rel) + 1 == count)
          return pool_.advance(loop_ + 1);
        next = pool_.next_.load(std::memory_order_acquire);
      }
      waiter_.wait(pool_.advanced_,
                   [&] { return pool_.next_.load(std::memory_order_acquire) >> 32 != loop_; });
    }

    ThreadPool& pool_;
    Waiter& waiter_;
    const int index_;
    uint32_t loop_;
  };

  // Calls job(worker) on the calling thread and on those others that are free, and returns when all
  // of these calls have returned.
  void run(const std::function<void(Worker&)>& job) {
    job_ = &job;
    first_loop_ = static_cast<uint32_t>(next_.load(std::memory_order_relaxed) >> 32);
    if (size_ > 1) {
      gate_.store(kOpen, std::memory_order_release);
      announce();
    }
    Worker self(*this, 0, waiter_, first_loop_);
    job(self);
    if (size_ == 1) return;
    gate_.fetch_and(~kOpen, std::memory_order_acq_rel);
    waiter_.wait(gate_, [&] { return gate_.load(std::memory_order_acquire) == 0; });
  }

 private:
  static constexpr uint32_t kOpen = 1u << 31;  // the rest of the gate counts the threads inside

  // Begins the next loop; called by the thread that ended the last iteration.
  void advance(uint32_t loop) {
    done_.store(0, std::memory_order_relaxed);
    next_.store(static_cast<uint64_t>(loop) << 32, std::memory_order_release);
    advanced_.fetch_add(1, std::memory_order_release);
    advanced_.notify_all();
  }

  void announce() {
    started_.fetch_add(1, std::memory_order_release);
    started_.notify_all();
  }

  bool enter() {
    uint32_t inside = gate_.load(std::memory_order_acquire);
    while (inside & kOpen)
      if (gate_.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel)) return true;
    return false;
  }

  void serve(int index) {
    Waiter for_start, for_loop;
    uint32_t seen = 0;
    for (;;) {
      for_start.wait(started_, [&] { return started_.load(std::memory_order_acquire) != seen; });
      seen = started_.load(std::memory_order_acquire);
      if (stopped_.load(std::memory_order_relaxed)) return;
      if (!enter()) continue;
      Worker self(*this, index, for_loop, first_loop_);
      (*job_)(self);
      gate_.fetch_sub(1, std::memory_order_release);
      gate_.notify_all();
    }
  }

  const int size_;
  std::vector<std::thread> threads_;
  Waiter waiter_;  // of the calling thread
  const std::function<void(Worker&)>* job_ = nullptr;
  uint32_t first_loop_ = 0;
  std::atomic<bool> stopped_{false};
  alignas(64) std::atomic<uint32_t> started_{0};
  alignas(64) std::atomic<uint32_t> gate_{0};
  alignas(64) std::atomic<uint64_t> next_{0};      // the loop, and below it the next iteration
  alignas(64) std::atomic<uint32_t> done_{0};      // iterations of the loop
  alignas(64) std::atomic<uint32_t> advanced_{0};  // loops that have ended
};

using Worker = ThreadPool::Worker;

}  // namespace mt
