// A few threads that walk through the stages of a decoder together.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace mt {

// Waits for `word` to differ from `old`: a short spin, since stages last microseconds, and
// then asleep, since on a busy machine the other thread may not be running at all.
inline uint32_t wait_while(const std::atomic<uint32_t>& word, uint32_t old) {
  for (int turn = 0; turn < 4000; ++turn) {
    const uint32_t now = word.load(std::memory_order_acquire);
    if (now != old) return now;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  uint32_t now;
  while ((now = word.load(std::memory_order_acquire)) == old) word.wait(old);
  return now;
}

class Team {
 public:
  explicit Team(int threads) : size_(threads < 1 ? 1 : threads), counters_(kCounters) {
    for (int index = 1; index < size_; ++index)
      threads_.emplace_back([this, index] { serve(index); });
  }

  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  ~Team() {
    job_ = nullptr;
    begin();
    for (auto& thread : threads_) thread.join();
  }

  int size() const { return size_; }

  // One thread's view of a run.
  class Member {
   public:
    Member(Team& team, int index) : team_(team), index_(index) {}

    int index() const { return index_; }

    // Calls work(i) for every i below `count`, shared among the threads as they come free,
    // and returns when all are done. Every thread must make the same calls in the same
    // order. Which thread does what never changes a result.
    template <class Work>
    void share(int count, Work&& work) {
      std::atomic<int>& next = team_.counters_[stage_ % kCounters].value;
      // The counter that the stage before last used is free again: everybody left it.
      team_.counters_[(stage_ + kCounters / 2) % kCounters].value.store(
          0, std::memory_order_relaxed);
      ++stage_;
      for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) work(i);
      meet();
    }

   private:
    void meet() {
      if (team_.size_ == 1) return;
      const uint32_t phase = team_.phase_.load(std::memory_order_acquire);
      if (team_.arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<uint32_t>(team_.size_)) {
        team_.arrived_.store(0, std::memory_order_relaxed);
        team_.phase_.store(phase + 1, std::memory_order_release);
        team_.phase_.notify_all();
      } else {
        wait_while(team_.phase_, phase);
      }
    }

    Team& team_;
    int index_;
    uint32_t stage_ = 0;
  };

  // Runs job(member) on every thread, the caller's included.
  void run(const std::function<void(Member&)>& job) {
    for (auto& counter : counters_) counter.value.store(0, std::memory_order_relaxed);
    job_ = &job;
    left_.store(size_ - 1, std::memory_order_relaxed);
    begin();
    Member self(*this, 0);
    job(self);
    for (uint32_t left; (left = left_.load(std::memory_order_acquire)) != 0;)
      wait_while(left_, left);
  }

 private:
  static constexpr uint32_t kCounters = 4;

  struct alignas(64) Counter {
    std::atomic<int> value{0};
  };

  void begin() {
    started_.fetch_add(1, std::memory_order_release);
    started_.notify_all();
  }

  void serve(int index) {
    uint32_t seen = 0;
    for (;;) {
      seen = wait_while(started_, seen);
      if (job_ == nullptr) return;
      Member self(*this, index);
      (*job_)(self);
      left_.fetch_sub(1, std::memory_order_release);
      left_.notify_all();
    }
  }

  const int size_;
  std::vector<Counter> counters_;
  std::vector<std::thread> threads_;
  const std::function<void(Member&)>* job_ = nullptr;
  alignas(64) std::atomic<uint32_t> started_{0};
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> phase_{0};
  alignas(64) std::atomic<uint32_t> left_{0};
};

}  // namespace mt
