#include "host/threads.h"

#include <algorithm>
#include <atomic>
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

// The least bytes of key and value that each of a few threads is made for, and each of more than these. Starting and
// ending one takes some tens of microseconds, up to 100 where a sleeping CPU must be woken, and its turn where all are
// busy; a core copies the former in 25 to 100. They are started one after another, which is what bounds how many are
// worth it.
constexpr uint64_t kBytesOfFew = uint64_t{1} << 20;
constexpr uint64_t kBytesOfMany = uint64_t{2} << 20;
constexpr int32_t kFew = 4;

// A copy of fewer bytes than this is one thread's.
constexpr uint64_t kLeastBytes = uint64_t{4} << 20;

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

class Crew {
 public:
  explicit Crew(const Work& work) noexcept : work_(work) {}

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
      if (first >= work_.items) return;
      const int64_t last = std::min<int64_t>(first + work_.items_at_once, work_.items);
      work_.process(work_.context, static_cast<int32_t>(first), static_cast<int32_t>(last));
    }
  }

  const Work& work_;
  std::atomic<int64_t> next_{0};
};

}  // namespace

int32_t threads_for(uint64_t bytes) noexcept {
  if (bytes < kLeastBytes) return 1;
  const int32_t setting = max_threads.load(std::memory_order_relaxed);
  if (setting == 1) return 1;
  const int32_t most = setting > 0 ? std::min(setting, usable_cpus()) : usable_cpus();
  const auto of_many = static_cast<int32_t>(std::min<uint64_t>(bytes / kBytesOfMany, kMostThreads));
  const auto of_few = static_cast<int32_t>(std::min<uint64_t>(bytes / kBytesOfFew, kFew));
  return std::min(most, std::max(of_few, of_many));
}

void run_in_threads(const Work& work, int32_t threads) noexcept {
  if (threads <= 1) return work.process(work.context, 0, work.items);
  const CancellationHeld held;
  Crew(work).run(std::min(threads, kMostThreads));
}

void set_thread_limit(int32_t limit) noexcept { max_threads.store(limit, std::memory_order_relaxed); }

int32_t thread_limit() noexcept { return max_threads.load(std::memory_order_relaxed); }

}  // namespace baracuda::host
