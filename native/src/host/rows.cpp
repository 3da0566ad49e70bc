#include "host/rows.h"

#include "base/saturating.h"

namespace baracuda::host {
RowCopy::RowCopy(const Append& append, const Place* places) noexcept : append_(append), places_(append, places) {
  for (int i = 0; i < append.num_parts; ++i) {
    const Part& part = append.parts[i];
    const bool side_by_side =
        append.num_heads == 1 || (part.head_stride == part.row_bytes && part.cache_head_stride == part.row_bytes);
    runs_[i] = {side_by_side ? 1 : append.num_heads,
                static_cast<size_t>(part.row_bytes * (side_by_side ? append.num_heads : 1)), part.head_stride,
                part.cache_head_stride};
    // Rows of a cache that overlap each other may be more bytes than there is memory.
    token_bytes_ =
        saturating_sum(token_bytes_, saturating_product(static_cast<uint64_t>(runs_[i].count), runs_[i].bytes));
  }
  way_ = way_for(bytes());
}

uint64_t RowCopy::bytes() const noexcept {
  return saturating_product(token_bytes_, static_cast<uint64_t>(rows_of(append_)));
}

inline void RowCopy::find_target(int64_t row, int64_t end, Target* target) const noexcept {
  Place place;
  const bool served = row < end && places_.find(row, &place);
  for (int i = 0; i < append_.num_parts; ++i) {
    const Part& part = append_.parts[i];
    target->parts[i] = served ? part.cache + (place.page * part.page_stride + place.slot * part.slot_stride) : nullptr;
  }
}

inline void RowCopy::find_source(int64_t row, Source* source) const noexcept {
  for (int i = 0; i < append_.num_parts; ++i)
    source->parts[i] = append_.parts[i].rows + row * append_.parts[i].token_stride;
}

void RowCopy::write(int64_t first, int64_t last) const noexcept {
  Target targets[2] = {};  // of this row and of the next, by turns
  Source source = {};
  find_target(first, last, &targets[0]);
  for (int64_t row = first; row < last; ++row) {
    const Target& to = targets[(row - first) & 1];
    Target& next = targets[(row - first + 1) & 1];
    find_target(row + 1, last, &next);
    if (!to.is_served()) continue;
    find_source(row, &source);
    way_.copy(runs_, append_.num_parts, to, source, next);
  }
  way_.finish();
}

}  // namespace baracuda::host
