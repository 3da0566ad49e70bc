// The CPUs that the calling thread, and so a thread that it starts, may run on.
#ifndef BARACUDA_SRC_HOST_THREADS_CPUS_H_
#define BARACUDA_SRC_HOST_THREADS_CPUS_H_

#include <cstdint>

namespace baracuda::host {

struct Cpus {
  int32_t count;    // at least 1
  uint64_t digest;  // of which they are: another number for others, but for chance
};

Cpus usable_cpus() noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_THREADS_CPUS_H_
