// A warp on the CPU: 32 threads in turn, each until it waits for the others, with CUDA's functions of a warp. For
// device code that a host compiler reads; one warp at a time.
#ifndef BARACUDA_TESTS_WARP_H_
#define BARACUDA_TESTS_WARP_H_

#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "device_launch_parameters.h"

uint3 threadIdx = {};

namespace warp {

constexpr int kThreads = 32;
constexpr size_t kStackBytes = size_t{256} << 10;

struct Thread {
  ucontext_t context;
  std::vector<char> stack = std::vector<char>(kStackBytes);
  bool is_done = true;
};

inline Thread threads[kThreads];
inline ucontext_t scheduler;
inline const std::function<void(int)>* running = nullptr;
inline int64_t given[kThreads];
inline int64_t exchanged[2][kThreads];  // of this meeting and of the one before, which some may still look at
inline int arrived = 0;
inline unsigned int meetings = 0;

inline int lane() { return static_cast<int>(threadIdx.x); }

inline void wait() { swapcontext(&threads[lane()].context, &scheduler); }

// What every thread gives, once all have.
inline const int64_t (&meet(int64_t value)) [kThreads] {
  const unsigned int meeting = meetings;
  given[lane()] = value;
  if (++arrived == kThreads) {
    std::copy(given, given + kThreads, exchanged[meeting % 2]);
    arrived = 0;
    ++meetings;
  }
  while (meetings == meeting) wait();
  return exchanged[meeting % 2];
}

inline void enter() {
  const int me = lane();
  (*running)(me);
  threads[me].is_done = true;
  wait();
}

// Calls `body` as each thread of a warp, by its number.
inline void run(const std::function<void(int)>& body) {
  running = &body;
  for (Thread& thread : threads) {
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = &scheduler;
    makecontext(&thread.context, enter, 0);
    thread.is_done = false;
  }
  for (bool some_run = true; some_run;) {
    some_run = false;
    for (int i = 0; i < kThreads; ++i) {
      if (threads[i].is_done) continue;
      threadIdx.x = static_cast<unsigned int>(i);
      swapcontext(&scheduler, &threads[i].context);
      some_run = true;
    }
  }
}

}  // namespace warp

inline unsigned int __ballot_sync(unsigned int, int predicate) {
  const auto& all = warp::meet(predicate != 0 ? 1 : 0);
  unsigned int ballot = 0;
  for (int i = 0; i < warp::kThreads; ++i) ballot |= static_cast<unsigned int>(all[i]) << i;
  return ballot;
}
template <typename T>
T __shfl_sync(unsigned int, T value, int from) {
  return static_cast<T>(warp::meet(static_cast<int64_t>(value))[static_cast<unsigned int>(from) % warp::kThreads]);
}
inline unsigned int __umulhi(unsigned int a, unsigned int b) {
  return static_cast<unsigned int>((uint64_t{a} * b) >> 32);
}
inline int __any_sync(unsigned int threads, int predicate) { return __ballot_sync(threads, predicate) != 0 ? 1 : 0; }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned int>(bits)); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int min(int a, int b) { return std::min(a, b); }
inline int max(int a, int b) { return std::max(a, b); }

#endif  // BARACUDA_TESTS_WARP_H_
