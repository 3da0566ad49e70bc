// The copy of rows to their places. Bytes only: an element type matters here as the bytes of a row.
#ifndef BARACUDA_SRC_HOST_ROWS_H_
#define BARACUDA_SRC_HOST_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "append/append.h"
#include "host/judge.h"
#include "host/places.h"
#include "host/run_copy.h"
#include "host/threads/work.h"

namespace baracuda::host {

// A token's key is a run of bytes a head, or one for all heads where they lie side by side in its source and in
// its cache; and its value likewise.
class RowCopy {
 public:
  // `append` is checked and outlives this. `places`: where judge() found that each row goes; nullptr for an append that
  // is guarded, whose rows are judged here.
  RowCopy(const Append& append, const Place* places) noexcept;

  // What one token copies, key and value together; at least 1.
  uint64_t token_bytes() const noexcept { return token_bytes_; }

  // Copies the rows first .. last - 1 that may be served. Once the thread has finished they are visible to whoever
  // synchronises with it. Threads may copy at once what names no slot in common.
  void write(int64_t first, int64_t last) const noexcept;
  Finish finish() const noexcept { return way_.finish; }

 private:
  const Append& append_;
  Places places_;
  WayToCopy way_;
  Runs parts_[kMaxParts] = {};
  uint64_t token_bytes_ = 0;
};

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_ROWS_H_
