#include "host/rows.h"

#include <initializer_list>

#include "host/record.h"

namespace baracuda::host {
namespace {

// Bytes of key and value up to which an append writes through the caches, where the new rows are best left for the
// attention that reads them next. Beyond, its rows, read and written, outgrow the caches that a core has to itself, and
// fetching the lines that they overwrite costs as much again as the copy.
constexpr size_t kCachedUpToBytes = size_t{512} << 10;

// Whether every run begins and ends where whole vectors do.
bool is_in_vectors(const Append& append) noexcept {
  uint64_t all = 0;
  for (int i = 0; i < append.num_parts; ++i) {
    const Part& part = append.parts[i];
    all |= reinterpret_cast<uintptr_t>(part.rows) | reinterpret_cast<uintptr_t>(part.cache);
    for (const int64_t number : {part.row_bytes, part.token_stride, part.head_stride, part.page_stride,
                                 part.slot_stride, part.cache_head_stride})
      all |= static_cast<uint64_t>(number);
  }
  return all % kRunVectorBytes == 0;
}

}  // namespace

RowCopy::RowCopy(const Append& append, const Place* places) noexcept : append_(append), places_(places) {
  for (int i = 0; i < append.num_parts; ++i) {
    const Part& part = append.parts[i];
    const bool side_by_side =
        append.num_heads == 1 || (part.head_stride == part.row_bytes && part.cache_head_stride == part.row_bytes);
    runs_[i] = {side_by_side ? 1 : append.num_heads,
                static_cast<size_t>(part.row_bytes * (side_by_side ? append.num_heads : 1)), part.head_stride,
                part.cache_head_stride};
    token_bytes_ += static_cast<size_t>(runs_[i].count) * runs_[i].bytes;
  }
  if (!is_in_vectors(append))
    way_ = any_copy();
  else
    way_ = token_bytes_ * static_cast<size_t>(rows_of(append)) <= kCachedUpToBytes ? cached_copy() : streaming_copy();
}

inline RowCopy::Target RowCopy::target_of(int64_t page, int64_t slot) const noexcept {
  Target target = {true, {}};
  for (int i = 0; i < append_.num_parts; ++i) {
    const Part& part = append_.parts[i];
    target.first[i] = part.cache + (page * part.page_stride + slot * part.slot_stride);
  }
  return target;
}

inline RowCopy::Target RowCopy::target(int64_t row) const noexcept {
  if (places_ != nullptr) {
    const Place place = places_[row];
    return place.page < 0 ? Target{} : target_of(place.page, place.slot);
  }
  Seen seen = {};
  const Placement& placement = append_.placement;
  const bool served =
      placement.wide == 0 ? find_place<true>(placement, row, &seen) : find_place<false>(placement, row, &seen);
  if (served) return target_of(seen.page, seen.slot);
  record_corruption(placement, append_.record, row, seen);
  return {};
}

void RowCopy::copy(int64_t first, int64_t last) const noexcept {
  Target next = target(first);
  for (int64_t row = first; row < last; ++row) {
    const Target to = next;
    next = row + 1 < last ? target(row + 1) : Target{};
    if (!to.served) continue;
    for (int i = 0; i < append_.num_parts; ++i) {
      const Runs& runs = runs_[i];
      const unsigned char* from = append_.parts[i].rows + row * append_.parts[i].token_stride;
      for (int64_t run = 0; run < runs.count; ++run) {
        if (next.served) way_.prepare(next.first[i] + run * runs.cache_stride, runs.bytes);
        way_.copy(to.first[i] + run * runs.cache_stride, from + run * runs.source_stride, runs.bytes);
      }
    }
  }
  way_.finish();
}

}  // namespace baracuda::host
