#include "pages/copy.h"

#include <algorithm>

#include "base/saturating.h"
#include "pages/backend.h"
#include "pages/operands.h"

namespace baracuda {
namespace {

// One end of a part, in bytes.
struct End {
  unsigned char* data;
  int64_t page_stride;
  int64_t strides[kMaxPageRank];
};

End cache_end(const CopyOp& op, const CacheMembers& cache) noexcept {
  End end = {};
  end.data = static_cast<unsigned char*>(const_cast<void*>(pointer_in(op, cache.operand)));
  end.page_stride = strides_of_cache(op, cache, end.strides);
  return end;
}

void add_dimension(const PageDimension& added, PagePart* part) noexcept {
  int at = part->num_dimensions++;
  for (; at > 0 && magnitude(part->dimensions[at - 1].to_stride) < magnitude(added.to_stride); --at)
    part->dimensions[at] = part->dimensions[at - 1];
  part->dimensions[at] = added;
}

// Whether `outer` goes on where a whole `inner` ends.
bool goes_on(const PageDimension& outer, const PageDimension& inner) noexcept {
  return outer.from_stride == saturating_signed_product(inner.from_stride, inner.extent) &&
         outer.to_stride == saturating_signed_product(inner.to_stride, inner.extent);
}

// Dimensions that are one, and those that are part of the run, are made so.
void join_dimensions(PagePart* part) noexcept {
  PageDimension* const dimensions = part->dimensions;
  int32_t& count = part->num_dimensions;
  while (count > 0 && dimensions[count - 1].from_stride == part->run_bytes &&
         dimensions[count - 1].to_stride == part->run_bytes) {
    part->run_bytes = saturating_signed_product(part->run_bytes, dimensions[count - 1].extent);
    --count;
  }
  for (int i = count - 1; i > 0; --i) {
    if (!goes_on(dimensions[i - 1], dimensions[i])) continue;
    dimensions[i - 1] = {saturating_signed_product(dimensions[i - 1].extent, dimensions[i].extent),
                         dimensions[i].from_stride, dimensions[i].to_stride};
    std::copy(dimensions + i + 1, dimensions + count, dimensions + i);
    --count;
  }
}

PagePart make_part(const CacheMembers& cache, const End& from, const End& to) noexcept {
  PagePart part = {};
  part.from = from.data;
  part.to = to.data;
  part.from_page_stride = from.page_stride;
  part.to_page_stride = to.page_stride;
  part.run_bytes = cache.element_bytes;
  const int rank = rank_of_page(cache.page);
  for (int i = 0; i < rank; ++i)
    if (cache.page[i] > 1) add_dimension({cache.page[i], from.strides[i], to.strides[i]}, &part);
  join_dimensions(&part);
  return part;
}

}  // namespace

int64_t bytes_of(const PagePart& part) noexcept {
  int64_t bytes = part.run_bytes;
  for (int i = 0; i < part.num_dimensions; ++i) bytes = saturating_signed_product(bytes, part.dimensions[i].extent);
  return bytes;
}

void make_copy(const CopyOp& op, PageCopy* made) noexcept {
  PageCopy& copy = *made;
  copy.backend = find_page_backend(op.backend);
  copy.guarded = (op.flags & BARACUDA_FLAG_GUARDED) != 0;
  copy.num_parts = num_parts(op);
  const bool by_buffer = op.movement != BARACUDA_MOVEMENT_COPY;
  int64_t row_bytes = 0;
  End rows[kMaxCopyParts] = {};
  for (int i = 0; i < copy.num_parts; ++i) {
    const CacheMembers cache = cache_in(op, i);
    // Where there are no rows the address is not looked at, and may be anything.
    rows[i].data =
        reinterpret_cast<unsigned char*>(reinterpret_cast<uintptr_t>(op.buffer) + static_cast<uint64_t>(row_bytes));
    const int64_t bytes = pack_page(cache, rows[i].strides);
    row_bytes = row_bytes > INT64_MAX - bytes ? INT64_MAX : row_bytes + bytes;
  }
  for (int i = 0; i < copy.num_parts; ++i) {
    const CacheMembers cache = cache_in(op, i);
    rows[i].page_stride = op.num_copies > 1 ? row_bytes : 0;
    const End in_cache = cache_end(op, cache);
    const End& from = op.movement == BARACUDA_MOVEMENT_SCATTER ? rows[i] : in_cache;
    const End& to = op.movement == BARACUDA_MOVEMENT_GATHER ? rows[i] : in_cache;
    copy.parts[i] = make_part(cache, from, to);
  }
  const auto list_of = [&op](int operand) -> PageList {
    return {wants(op, operand) ? pointer_in(op, operand) : nullptr, is_int64(op, operand)};
  };
  copy.pairs = {list_of(BARACUDA_COPY_OPERAND_SOURCE), list_of(BARACUDA_COPY_OPERAND_DESTINATION), op.num_total_pages,
                !by_buffer};
  copy.num_copies = op.num_copies;
  copy.record = op.error_record;
  copy.stream = op.stream;
  copy.k_data = op.k_data;
}

}  // namespace baracuda
