// Where each request's rows go, and their copy. Bytes only: an element type matters here as the bytes of a row.
#ifndef BARACUDA_SRC_HOST_ROWS_H_
#define BARACUDA_SRC_HOST_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "append/backend.h"
#include "append/place.h"
#include "host/run_copy.h"

namespace baracuda::host {

// An append as strides in bytes. A request's key is `runs` contiguous runs of `run_bytes` in k_data, and its value the
// same in v_data: one row a head, or all heads at once where a token's heads lie side by side.
class RowCopy {
 public:
  // `op` is checked, its page table too unless it is guarded, and outlives this.
  explicit RowCopy(const Append& op) noexcept;

  // What one request copies, key and value together.
  size_t request_bytes() const noexcept { return 2 * runs_ * run_bytes_; }

  // Copies the requests first .. last - 1; guarded, those of them that may be served. The rows are visible to whoever
  // synchronises with this thread afterwards. Threads may copy at once what names no slot in common.
  void copy(int32_t first, int32_t last) const noexcept;

 private:
  // A request's first run in each cache; null where it is not to be served.
  struct Place {
    unsigned char* k;
    unsigned char* v;
  };
  Place place(int32_t page, int32_t slot) const noexcept;
  Place find_place(int32_t request) const noexcept;

  const Append& op_;
  GuardLimits limits_;
  WayToCopy way_;
  size_t runs_;
  size_t run_bytes_;
  size_t run_stride_;   // from one run of a token to its next, in a cache
  size_t slot_stride_;  // from one token to the next
  size_t page_stride_;
};

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_ROWS_H_
