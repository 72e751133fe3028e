// Threads that go through the layers of a decoder together.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace mt {

// Returns the value of `word` once it differs from `old`. Spins first, because a parallel loop
// lasts microseconds; then sleeps, because on a busy machine the other thread may not be running.
inline uint32_t wait_for_change(const std::atomic<uint32_t>& word, uint32_t old) {
  constexpr int kSpins = 4000;
  for (int spin = 0; spin < kSpins; ++spin) {
    const uint32_t now = word.load(std::memory_order_acquire);
    if (now != old) return now;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
  uint32_t now;
  while ((now = word.load(std::memory_order_acquire)) == old) word.wait(old);
  return now;
}

class ThreadPool {
 public:
  explicit ThreadPool(int threads) : size_(threads < 1 ? 1 : threads), counters_(kCounters) {
    for (int index = 1; index < size_; ++index)
      threads_.emplace_back([this, index] { serve(index); });
  }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  ~ThreadPool() {
    job_ = nullptr;
    start();
    for (auto& thread : threads_) thread.join();
  }

  int size() const { return size_; }

  // One thread of the pool during a call of `run`.
  class Worker {
   public:
    Worker(ThreadPool& pool, int index) : pool_(pool), index_(index) {}

    int index() const { return index_; }

    // Calls body(i) for every i in [0, count), each on whichever thread is free, and returns when
    // all calls have returned. Every worker must make the same parallel_for calls in the same
    // order. The assignment of indices to threads never changes a result.
    template <class Body>
    void parallel_for(int count, Body&& body) {
      std::atomic<int>& next = pool_.counters_[loop_ % kCounters].value;
      // Every worker has left the loop before last, so its counter can be reset for reuse.
      pool_.counters_[(loop_ + kCounters / 2) % kCounters].value.store(0,
                                                                       std::memory_order_relaxed);
      ++loop_;
      for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i);
      barrier();
    }

   private:
    void barrier() {
      if (pool_.size_ == 1) return;
      const uint32_t phase = pool_.phase_.load(std::memory_order_acquire);
      const uint32_t arrived = pool_.arrived_.fetch_add(1, std::memory_order_acq_rel) + 1;
      if (arrived == static_cast<uint32_t>(pool_.size_)) {
        pool_.arrived_.store(0, std::memory_order_relaxed);
        pool_.phase_.store(phase + 1, std::memory_order_release);
        pool_.phase_.notify_all();
      } else {
        wait_for_change(pool_.phase_, phase);
      }
    }

    ThreadPool& pool_;
    int index_;
    uint32_t loop_ = 0;
  };

  // Calls job(worker) on every thread, the calling thread included, and waits for all of them.
  void run(const std::function<void(Worker&)>& job) {
    for (auto& counter : counters_) counter.value.store(0, std::memory_order_relaxed);
    job_ = &job;
    running_.store(size_ - 1, std::memory_order_relaxed);
    start();
    Worker self(*this, 0);
    job(self);
    for (uint32_t running; (running = running_.load(std::memory_order_acquire)) != 0;)
      wait_for_change(running_, running);
  }

 private:
  static constexpr uint32_t kCounters = 4;

  struct alignas(64) Counter {
    std::atomic<int> value{0};
  };

  void start() {
    started_.fetch_add(1, std::memory_order_release);
    started_.notify_all();
  }

  void serve(int index) {
    uint32_t seen = 0;
    for (;;) {
      seen = wait_for_change(started_, seen);
      if (job_ == nullptr) return;
      Worker self(*this, index);
      (*job_)(self);
      running_.fetch_sub(1, std::memory_order_release);
      running_.notify_all();
    }
  }

  const int size_;
  std::vector<Counter> counters_;
  std::vector<std::thread> threads_;
  const std::function<void(Worker&)>* job_ = nullptr;
  alignas(64) std::atomic<uint32_t> started_{0};
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> phase_{0};
  alignas(64) std::atomic<uint32_t> running_{0};
};

using Worker = ThreadPool::Worker;

}  // namespace mt
