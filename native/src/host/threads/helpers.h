// Threads that help with a call. Each rests after it, for the next, and ends when none has come for a while.
#ifndef BARACUDA_SRC_HOST_THREADS_HELPERS_H_
#define BARACUDA_SRC_HOST_THREADS_HELPERS_H_

#include <atomic>
#include <cstdint>

namespace baracuda::host {

// The most that there are in the process.
inline constexpr int32_t kMostHelpers = 63;

class Helper;

// The helpers of one call, which lives in its caller's frame. From when they are taken or started they are the caller's
// alone, until dismiss(), which comes last and after which nothing touches this.
class Helpers {
 public:
  using Help = void (*)(void* context) noexcept;

  // `help(context)` is called once by each helper that begins, by several at once.
  Helpers(Help help, void* context) noexcept : help_(help), context_(context) {}
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  // Takes at most `most` of those that rest, and that may run on just these CPUs and are scheduled so
  // (usable_cpus().digest), and has them woken. Says how many. At most once, and before start().
  int32_t wake(int32_t most, uint64_t cpus) noexcept;

  // Starts `count` more, on the CPUs that the calling thread may run on and scheduled as it is, which `cpus` says; or
  // as many as can be had.
  void start(int32_t count, uint64_t cpus) noexcept;

  // Those that have not begun never will, so that nobody waits for a CPU that is busy; those that have are waited for.
  void dismiss() noexcept;

 private:
  friend class Helper;

  void wake_those_taken() noexcept;

  Help help_;
  void* context_;
  Helper* helpers_[kMostHelpers];
  int32_t count_ = 0;
  int32_t taken_ = 0;                                // of them rested; helpers read it, and those
  std::atomic<int32_t> next_to_wake_{kMostHelpers};  // from the first on once all have been given the call
  std::atomic<int32_t> returned_{0};
};

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_THREADS_HELPERS_H_
