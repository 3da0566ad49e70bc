// The CPUs that the calling thread, and so a thread that it starts, may run on.
#ifndef BARACUDA_SRC_HOST_THREADS_CPUS_H_
#define BARACUDA_SRC_HOST_THREADS_CPUS_H_

#include <cstdint>

namespace baracuda::host {

struct Cpus {
  int32_t count;  // at least 1
  // Of which they are and of how the thread is scheduled, which a thread that it starts inherits: another number for
  // others, but for chance.
  uint64_t digest;
};

Cpus usable_cpus() noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_THREADS_CPUS_H_
