#include "host/threads/cpus.h"

#include <algorithm>
#include <cstring>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#endif

namespace baracuda::host {

#if defined(__linux__)

namespace {

uint64_t mixed(uint64_t digest, uint64_t word) noexcept { return (digest ^ word) * 0x9e3779b97f4a7c15u; }

// Of the calling thread, for Linux has a priority for each: one that is served late, or before all others, serves
// those like it.
uint64_t scheduling() noexcept {
  sched_param parameters{};
  sched_getparam(0, &parameters);
  const uint64_t policy = mixed(static_cast<uint64_t>(sched_getscheduler(0)), 0);
  const uint64_t priority = mixed(policy, static_cast<uint64_t>(parameters.sched_priority));
  return mixed(priority, static_cast<uint64_t>(getpriority(PRIO_PROCESS, 0)));
}

}  // namespace

#endif

Cpus usable_cpus() noexcept {
#if defined(__linux__)
  // Room for more CPUs than a cpu_set_t has: the kernel refuses a set that is smaller than its own.
  cpu_set_t sets[16];
  CPU_ZERO_S(sizeof(sets), sets);
  if (sched_getaffinity(0, sizeof(sets), sets) == 0) {
    uint64_t digest = scheduling();
    for (const cpu_set_t& set : sets) {
      uint64_t words[sizeof(set) / (sizeof(uint64_t))];
      std::memcpy(words, &set, sizeof(set));
      for (const uint64_t word : words) digest = mixed(digest, word);
    }
    return {CPU_COUNT_S(sizeof(sets), sets), digest};
  }
#endif
  return {static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency())), 0};
}

}  // namespace baracuda::host
