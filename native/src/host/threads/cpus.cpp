#include "host/threads/cpus.h"

#include <algorithm>
#include <cstring>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace baracuda::host {

Cpus usable_cpus() noexcept {
#if defined(__linux__)
  // Room for more CPUs than a cpu_set_t has: the kernel refuses a set that is smaller than its own.
  cpu_set_t sets[16];
  CPU_ZERO_S(sizeof(sets), sets);
  if (sched_getaffinity(0, sizeof(sets), sets) == 0) {
    uint64_t digest = 0;
    for (const cpu_set_t& set : sets) {
      uint64_t words[sizeof(set) / (sizeof(uint64_t))];
      std::memcpy(words, &set, sizeof(set));
      for (const uint64_t word : words) digest = (digest ^ word) * 0x9e3779b97f4a7c15u;
    }
    return {CPU_COUNT_S(sizeof(sets), sets), digest};
  }
#endif
  return {static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency())), 0};
}

}  // namespace baracuda::host
