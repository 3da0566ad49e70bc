#include "host/threads/work.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/cancellation.h"

#if defined(__linux__)
#include <sched.h>
#endif
#if !defined(_WIN32)
#include <signal.h>
#endif

namespace baracuda::host {
namespace {

using Clock = std::chrono::steady_clock;

// What would take the calling thread less is its own. Starting and ending a thread takes some tens of microseconds, up
// to 100 where a sleeping CPU must be woken, and its turn where all are busy.
constexpr std::chrono::microseconds kWorthHelp{150};

// Threads are started one after another, each as long after the one before. So a time that is shared by n of them ends
// soonest where n is about the root of what it is in these.
constexpr std::chrono::microseconds kStart{20};

// Memory bandwidth is spent long before this many cores copy.
constexpr int32_t kMostThreads = 64;

// 0: as many as the calling thread's affinity has.
std::atomic<int32_t> max_threads{0};

// The CPUs that the calling thread, and so a thread that it makes, may run on.
int32_t usable_cpus() noexcept {
#if defined(__linux__)
  // Room for more CPUs than a cpu_set_t has: the kernel refuses a set that is smaller than its own.
  cpu_set_t sets[16];
  if (sched_getaffinity(0, sizeof(sets), sets) == 0) return CPU_COUNT_S(sizeof(sets), sets);
#endif
  return static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));
}

// While it lives, threads start with the signals blocked that the process, not an instruction, may get: an
// application's handlers run on its own threads.
class SignalsBlocked {
 public:
#if defined(_WIN32)
  SignalsBlocked() noexcept {}
#else
  SignalsBlocked() noexcept {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
#endif
};

// How many threads, the calling one included, are worth it for what would take it so long alone.
int32_t threads_for(Clock::duration alone) noexcept {
  const double starts = std::chrono::duration<double>(alone) / std::chrono::duration<double>(kStart);
  const auto worth = static_cast<int32_t>(std::min<double>(std::round(std::sqrt(starts)), kMostThreads));
  const int32_t setting = thread_limit();
  return std::min(worth, setting > 0 ? std::min(setting, usable_cpus()) : usable_cpus());
}

void finish(const Work& work) noexcept {
  if (work.finish != nullptr) work.finish();
}

// The threads that do what is left of some work, from its first-th item on.
class Crew {
 public:
  Crew(const Work& work, int32_t first) noexcept : work_(work), next_(first) {}

  void run(int32_t threads) noexcept {
    std::thread others[kMostThreads - 1];
    int32_t started = 0;
    try {
      const SignalsBlocked blocked;
      for (; started < threads - 1; ++started) others[started] = std::thread([this] { help(); });
    } catch (...) {  // NOLINT(bugprone-empty-catch)
      // No more threads, or no memory for one: those there are share the work.
    }
    help();
    for (int32_t i = 0; i < started; ++i) others[i].join();
  }

 private:
  void help() noexcept {
    for (;;) {
      const int64_t first = next_.fetch_add(work_.items_at_once, std::memory_order_relaxed);
      if (first >= work_.items) return finish(work_);
      const int64_t last = std::min<int64_t>(first + work_.items_at_once, work_.items);
      work_.process(work_.context, static_cast<int32_t>(first), static_cast<int32_t>(last));
    }
  }

  const Work& work_;
  std::atomic<int64_t> next_;
};

}  // namespace

void run_in_threads(const Work& work) noexcept {
  const int32_t at_once = work.items_at_once;
  int32_t first = 0;
  if (work.items > at_once && thread_limit() != 1) {
    for (Clock::time_point began = Clock::now(); work.items - first > at_once;) {
      work.process(work.context, first, first + at_once);
      first += at_once;
      const Clock::time_point ended = Clock::now();
      const Clock::duration alone = (ended - began) * ((work.items - first) / at_once);
      if (alone >= kWorthHelp) {
        const CancellationHeld held;
        Crew(work, first).run(threads_for(alone));
        return;
      }
      began = ended;
    }
  }
  work.process(work.context, first, work.items);
  finish(work);
}

void set_thread_limit(int32_t limit) noexcept { max_threads.store(limit, std::memory_order_relaxed); }

int32_t thread_limit() noexcept { return max_threads.load(std::memory_order_relaxed); }

}  // namespace baracuda::host
