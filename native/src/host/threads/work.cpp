#include "host/threads/work.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>

#include "base/cancellation.h"
#include "host/threads/cpus.h"
#include "host/threads/helpers.h"

namespace baracuda::host {
namespace {

using Clock = std::chrono::steady_clock;

// What would take the calling thread less is its own: rows in the caches of several CPUs are written, and read, later.
constexpr std::chrono::microseconds kWorthHelp{100};

// Threads join one after another, each as long after the one before. So a time that is shared by n of them ends soonest
// where n is about the root of what it is in these. Starting one takes some tens of microseconds, more where a sleeping
// CPU must be woken.
constexpr std::chrono::microseconds kWake{4};
constexpr std::chrono::microseconds kStart{20};

// 0: as many as the calling thread's affinity has.
std::atomic<int32_t> max_threads{0};

// How many threads, the calling one included, are worth it for what would take it so long alone.
int32_t worth(Clock::duration alone, Clock::duration each) noexcept {
  const double root = std::sqrt(std::chrono::duration<double>(alone) / std::chrono::duration<double>(each));
  return static_cast<int32_t>(std::min<double>(std::round(root), kMostHelpers + 1));
}

void finish(const Work& work) noexcept {
  if (work.finish != nullptr) work.finish();
}

// The threads that do what is left of some work, from its first-th item on.
class Crew {
 public:
  Crew(const Work& work, int32_t first) noexcept
      : work_(work), next_(first), helpers_([](void* crew) noexcept { static_cast<Crew*>(crew)->work(); }, this) {}

  // `alone`: what is left would take the calling thread so long.
  void run(Clock::duration alone) noexcept {
    const CancellationHeld held;
    gather(alone);
    work();
    helpers_.dismiss();
  }

 private:
  void gather(Clock::duration alone) noexcept {
    const Cpus cpus = usable_cpus();
    const int32_t setting = thread_limit();
    const int32_t most = setting > 0 ? std::min(setting, cpus.count) : cpus.count;
    const int32_t wanted = std::min(worth(alone, kWake), most);
    const int32_t threads = 1 + helpers_.wake(wanted - 1, cpus.digest);
    if (threads >= wanted) return;
    // One at least, so that the next call finds it resting.
    const int32_t more = std::max(worth(alone / threads, kStart) - 1, 1);
    helpers_.start(std::min(more, wanted - threads), cpus.digest);
  }

  void work() noexcept {
    for (;;) {
      const int64_t first = next_.fetch_add(work_.items_at_once, std::memory_order_relaxed);
      if (first >= work_.items) return finish(work_);
      const int64_t last = std::min<int64_t>(first + work_.items_at_once, work_.items);
      work_.process(work_.context, static_cast<int32_t>(first), static_cast<int32_t>(last));
    }
  }

  const Work& work_;
  std::atomic<int64_t> next_;
  Helpers helpers_;
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
      if (alone >= kWorthHelp) return Crew(work, first).run(alone);
      began = ended;
    }
  }
  work.process(work.context, first, work.items);
  finish(work);
}

void set_thread_limit(int32_t limit) noexcept { max_threads.store(limit, std::memory_order_relaxed); }

int32_t thread_limit() noexcept { return max_threads.load(std::memory_order_relaxed); }

}  // namespace baracuda::host
