// Rows to their places where what is written is not a copy.
#ifndef BARACUDA_SRC_HOST_ROW_CONVERSION_H_
#define BARACUDA_SRC_HOST_ROW_CONVERSION_H_

#include <cstddef>
#include <cstdint>

#include "append/append.h"
#include "host/formats/row_writers.h"
#include "host/judge.h"
#include "host/places.h"
#include "host/threads/work.h"

namespace baracuda::host {

// A token's key is a row a head, or one of all heads where nothing tells them apart; and its value likewise.
class RowConversion {
 public:
  // As RowCopy, of any other transform.
  RowConversion(const Append& append, const Place* places) noexcept;

  // What one token reads, key and value together; at least 1.
  uint64_t token_bytes() const noexcept { return token_bytes_; }

  // Writes the rows first .. last - 1 that may be served, and their scales, whatever the thread's rounding and denormal
  // mode is. As RowCopy.
  void write(int64_t first, int64_t last) const noexcept;
  static Finish finish() noexcept { return nullptr; }

 private:
  struct Rows {
    Part part;
    WriteRow write;
    int64_t count;    // a token
    size_t elements;  // each
    size_t bytes;     // each, in the cache
  };

  void add(const Part& part, WriteRow write, size_t element_bytes) noexcept;
  void write_token(int64_t row, const Place& place, const Place* next) const noexcept;

  const Append& append_;
  Places places_;
  Rows rows_[kMaxParts] = {};
  int num_parts_ = 0;
  uint64_t token_bytes_ = 0;
};

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_ROW_CONVERSION_H_
