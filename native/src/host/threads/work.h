// Work that several threads share.
#ifndef BARACUDA_SRC_HOST_THREADS_WORK_H_
#define BARACUDA_SRC_HOST_THREADS_WORK_H_

#include <cstdint>

namespace baracuda::host {

// The setting: the most threads that a call may use, the calling one included; 0 for as many as the calling thread's
// CPU affinity has. For the whole process.
void set_thread_limit(int32_t limit) noexcept;
int32_t thread_limit() noexcept;

// What a thread takes at a time: little enough that all finish together, enough that taking it costs nothing.
inline constexpr uint64_t kBytesAtOnce = uint64_t{128} << 10;

// What a thread does at the end of its share of some work; nullptr for nothing.
using Finish = void (*)() noexcept;

// Work cut into items 0 .. items-1, handed out in order, each to exactly one of the threads that ask.
struct Work {
  void (*process)(const void* context, int32_t first, int32_t last) noexcept;
  Finish finish;
  const void* context;
  int32_t items;
  int32_t items_at_once;  // at least 1
};

// Processes all of it and returns when every item is done and no other thread is at it. The calling thread begins alone
// and has others join it where what is left would take it long enough: as many as that is worth, as the setting allows,
// and as there are CPUs that it may run on. Those that rest after other work join sooner than new ones. Threads that
// cannot be had, or that no CPU has run yet, are done without.
void run_in_threads(const Work& work) noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_THREADS_WORK_H_
