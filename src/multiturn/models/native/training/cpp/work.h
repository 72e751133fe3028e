// Work shared with the threads of XLA's own pool, and memory that is used again.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "../../cpp/memory.h"
#include "xla/ffi/api/ffi.h"

namespace mt {

// Calls work(i) for every i below `count` and returns when all are done. The caller takes
// part, and waits only for what a helper has begun: a pool whose threads all wait here, or
// that never gets to the helpers, still comes to an end. Who does what changes no result.
template <class Work>
void share(xla::ffi::ThreadPool& pool, int count, const Work& work) {
  struct State {
    std::atomic<int> next{0};
    std::atomic<int> done{0};
  };
  const auto state = std::make_shared<State>();
  const Work* job = &work;  // outlives every claimed i, and is not touched for others
  const auto run = [state, job, count] {
    for (int i; (i = state->next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      (*job)(i);
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

// Room for one call, taken from what earlier calls left: fresh pages cost more than a product.
class Scratch {
 public:
  explicit Scratch(size_t words) : memory_(take(words)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    const std::lock_guard<std::mutex> alone(mutex());
    kept().push_back(std::move(memory_));
  }

  uint32_t* words() { return memory_.data(); }
  float* floats() { return reinterpret_cast<float*>(memory_.data()); }

 private:
  static std::mutex& mutex() {
    static std::mutex* one = new std::mutex;  // never destroyed: threads may run at exit
    return *one;
  }
  static std::vector<Memory<uint32_t>>& kept() {
    static auto* all = new std::vector<Memory<uint32_t>>;
    return *all;
  }
  // The smallest that is large enough; else a new one in the place of the largest.
  static Memory<uint32_t> take(size_t words) {
    Memory<uint32_t> found;
    {
      const std::lock_guard<std::mutex> alone(mutex());
      auto& all = kept();
      size_t best = all.size();
      for (size_t i = 0; i < all.size(); ++i) {
        const bool fits = all[i].size() >= words;
        if (fits && (best == all.size() || all[i].size() < all[best].size())) best = i;
      }
      if (best < all.size()) {
        std::swap(all[best], all.back());
        found = std::move(all.back());
        all.pop_back();
      } else if (!all.empty()) {
        all.pop_back();
      }
    }
    return found.empty() ? Memory<uint32_t>(words) : std::move(found);
  }

  Memory<uint32_t> memory_;
};

}  // namespace mt
