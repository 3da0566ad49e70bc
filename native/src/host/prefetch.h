// Memory that is asked for before it is written.
#ifndef BARACUDA_SRC_HOST_PREFETCH_H_
#define BARACUDA_SRC_HOST_PREFETCH_H_

#include <cstddef>

#include "base/hints.h"

namespace baracuda::host {

constexpr size_t kLineBytes = 64;

BARACUDA_ALWAYS_INLINE void prefetch(const unsigned char* line) {
#if defined(__GNUC__)
  __builtin_prefetch(line, 1);
#else
  (void)line;
#endif
}

// A run this long, a page of memory, keeps the CPU's own prefetching busy: asking for its lines besides made it slower.
constexpr size_t kPrefetchBelowBytes = 4096;

BARACUDA_ALWAYS_INLINE void prefetch_run(const unsigned char* to, size_t bytes) {
  if (bytes >= kPrefetchBelowBytes) return;
  for (size_t at = 0; at < bytes; at += kLineBytes) prefetch(to + at);
  prefetch(to + bytes - 1);
}

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_PREFETCH_H_
