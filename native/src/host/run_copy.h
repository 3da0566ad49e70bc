// The ways to copy tokens' bytes to their places in a cache, and a page's.
#ifndef BARACUDA_SRC_HOST_RUN_COPY_H_
#define BARACUDA_SRC_HOST_RUN_COPY_H_

#include <cstddef>
#include <cstdint>

#include "host/places.h"
#include "host/threads/work.h"

namespace baracuda::host {

// A token's key, or its value, or some of a page's: contiguous runs of bytes, as many in its source as in its cache, at
// any addresses. And where they are, of each token and of each place.
struct Runs {
  int64_t count;
  size_t bytes;
  int64_t source_stride;  // from one run to the next
  int64_t cache_stride;
  const unsigned char* source;  // of the first token
  int64_t token_stride;
  unsigned char* cache;  // of the first slot of the first page
  int64_t page_stride;
  int64_t slot_stride;
};

struct WayToCopy {
  // The runs of `count` tokens from the first-th on, each to its place, if it is served. `places` are theirs. Sources
  // and caches do not overlap.
  void (*copy)(const Runs* parts, int num_parts, int64_t first, const Place* places, int64_t count) noexcept;

  // Called by a thread that has copied before another may look at what it wrote.
  Finish finish;
};

// For a call that copies so many bytes: through the caches of the CPU where these can hold them, else past them, so
// that a line that is overwritten whole is not fetched first.
WayToCopy way_for(uint64_t bytes) noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_RUN_COPY_H_
