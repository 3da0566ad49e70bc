#include "host/rows.h"

#include "append/element.h"
#include "host/error_record.h"

namespace baracuda::host {
namespace {

// Bytes of key and value up to which an append writes through the caches, where the new rows are best left for the
// attention that reads them next. Beyond, its rows, read and written, outgrow the caches that a core has to itself, and
// fetching the lines that they overwrite costs as much again as the copy.
constexpr size_t kCachedUpToBytes = size_t{512} << 10;

}  // namespace

RowCopy::RowCopy(const Append& op) noexcept : op_(op), limits_(guard_limits(op)) {
  const size_t row_bytes = static_cast<size_t>(op.head_dim) * find_element(op.element)->bytes();
  const size_t heads = static_cast<size_t>(op.num_heads);
  const size_t slots = static_cast<size_t>(op.page_size);
  page_stride_ = heads * slots * row_bytes;
  if (op.layout == BARACUDA_LAYOUT_NHD || heads == 1 || slots == 1) {
    runs_ = 1;
    run_bytes_ = heads * row_bytes;
    run_stride_ = 0;
    slot_stride_ = run_bytes_;
  } else {
    runs_ = heads;
    run_bytes_ = row_bytes;
    run_stride_ = slots * row_bytes;
    slot_stride_ = row_bytes;
  }
  way_ = request_bytes() * static_cast<size_t>(op.batch_size) <= kCachedUpToBytes ? cached_copy() : streaming_copy();
}

inline RowCopy::Place RowCopy::place(int32_t page, int32_t slot) const noexcept {
  const size_t offset = static_cast<size_t>(page) * page_stride_ + static_cast<size_t>(slot) * slot_stride_;
  return {static_cast<unsigned char*>(op_.k_data) + offset, static_cast<unsigned char*>(op_.v_data) + offset};
}

inline RowCopy::Place RowCopy::find_place(int32_t request) const noexcept {
  if (!is_guarded(op_))
    return place(op_.indices[op_.indptr[request + 1] - 1], op_.last_page_len[request] - limits_.slot_bias);
  baracuda_error_record seen = {};
  uint32_t slot = 0;
  if (find_slot(limits_, op_.indices, op_.indptr, op_.last_page_len, request, &seen, &slot))
    return place(seen.page, static_cast<int32_t>(slot));
  record_corruption(limits_, op_.error_record, seen);
  return {nullptr, nullptr};
}

void RowCopy::copy(int32_t first, int32_t last) const noexcept {
  const size_t token_bytes = runs_ * run_bytes_;
  const auto* key = static_cast<const unsigned char*>(op_.key) + static_cast<size_t>(first) * token_bytes;
  const auto* value = static_cast<const unsigned char*>(op_.value) + static_cast<size_t>(first) * token_bytes;
  Place next = find_place(first);
  for (int32_t request = first; request < last; ++request, key += token_bytes, value += token_bytes) {
    const Place to = next;
    next = request + 1 < last ? find_place(request + 1) : Place{nullptr, nullptr};
    if (to.k == nullptr) continue;
    for (size_t run = 0; run < runs_; ++run) {
      const size_t there = run * run_stride_;
      const size_t here = run * run_bytes_;
      if (next.k != nullptr) {
        way_.prepare(next.k + there, run_bytes_);
        way_.prepare(next.v + there, run_bytes_);
      }
      way_.copy(to.k + there, key + here, run_bytes_);
      way_.copy(to.v + there, value + here, run_bytes_);
    }
  }
  way_.finish();
}

}  // namespace baracuda::host
