#include "host/rows.h"

#include "base/saturating.h"

namespace baracuda::host {

RowCopy::RowCopy(const Append& append, const Place* places) noexcept : append_(append), places_(append, places) {
  for (int i = 0; i < append.num_parts; ++i) {
    const Part& part = append.parts[i];
    const bool side_by_side =
        append.num_heads == 1 || (part.head_stride == part.row_bytes && part.cache_head_stride == part.row_bytes);
    Runs& runs = parts_[i];
    runs.count = side_by_side ? 1 : append.num_heads;
    runs.bytes = static_cast<size_t>(part.row_bytes * (side_by_side ? append.num_heads : 1));
    runs.source_stride = part.head_stride;
    runs.cache_stride = part.cache_head_stride;
    runs.source = part.rows;
    runs.token_stride = part.token_stride;
    runs.cache = part.cache;
    runs.page_stride = part.page_stride;
    runs.slot_stride = part.slot_stride;
    // Rows of a cache that overlap each other may be more bytes than there is memory.
    token_bytes_ = saturating_sum(token_bytes_, saturating_product(static_cast<uint64_t>(runs.count), runs.bytes));
  }
  way_ = way_for(saturating_product(token_bytes_, static_cast<uint64_t>(rows_of(append))));
}

void RowCopy::write(int64_t first, int64_t last) const noexcept {
  Place memory[kPlacesAtOnce];
  int64_t end = first;
  for (int64_t row = first; row < last; row = end) {
    const Place* const places = places_.find(row, last, memory, &end);
    way_.copy(parts_, append_.num_parts, row, places, end - row);
  }
}

}  // namespace baracuda::host
