// The ways to copy one token's bytes into a cache, and a page's.
#ifndef BARACUDA_SRC_HOST_RUN_COPY_H_
#define BARACUDA_SRC_HOST_RUN_COPY_H_

#include <cstddef>
#include <cstdint>

#include "append/append.h"

namespace baracuda::host {

// A token's key, or its value, or some of a page's: contiguous runs of bytes, as many in its source as in its cache, at
// any addresses.
struct Runs {
  int64_t count;
  size_t bytes;
  int64_t source_stride;  // from one run to the next
  int64_t cache_stride;
};

// Where the first run of each part is, in its source or in its cache; nullptr for a token that is not to be written.
template <typename Byte>
struct FirstRuns {
  Byte* parts[kMaxParts];

  bool is_served() const noexcept { return parts[0] != nullptr; }
};

using Target = FirstRuns<unsigned char>;
using Source = FirstRuns<const unsigned char>;

struct WayToCopy {
  // One token's runs, from the source to the cache, which do not overlap. `next`, if it is served, is where the token
  // after it goes, so that memory is on its way by then.
  void (*copy)(const Runs* runs, int num_parts, const Target& to, const Source& from, const Target& next) noexcept;

  // Called by a thread that has copied before another may look at what it wrote.
  void (*finish)() noexcept;
};

// For a call that copies so many bytes: through the caches of the CPU where these can hold them, else past them, so
// that a line that is overwritten whole is not fetched first.
WayToCopy way_for(uint64_t bytes) noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_RUN_COPY_H_
