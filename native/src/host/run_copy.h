// The ways to copy one contiguous run of a token's bytes into a cache.
#ifndef BARACUDA_SRC_HOST_RUN_COPY_H_
#define BARACUDA_SRC_HOST_RUN_COPY_H_

#include <cstddef>

namespace baracuda::host {

// What the ways but any_copy() copy at least at once: `bytes` is a multiple of it, and both places are aligned to it.
inline constexpr size_t kRunVectorBytes = 16;

// The places do not overlap.
struct WayToCopy {
  void (*copy)(unsigned char* to, const unsigned char* from, size_t bytes) noexcept;

  // Says that a copy to this place comes soon, so that memory is on its way by then.
  void (*prepare)(const unsigned char* to, size_t bytes) noexcept;

  // Called by a thread that has copied before another may look at what it wrote.
  void (*finish)() noexcept;
};

// Through the caches of the CPU: for appends that these can hold.
WayToCopy cached_copy() noexcept;

// Past them, so that a line that is overwritten whole is not fetched first. As cached_copy() where we know of no way.
WayToCopy streaming_copy() noexcept;

// Runs of any length at any address.
WayToCopy any_copy() noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_RUN_COPY_H_
