#include "append/append.h"

#include <cstdint>

#include "append/backend.h"
#include "append/operands.h"
#include "append/problem.h"
#include "append/transform.h"
#include "base/element.h"
#include "base/hints.h"
#include "base/saturating.h"

namespace baracuda {
namespace {

// A stride that is never taken is 0, whatever was stated.
int64_t taken(int64_t stride, int64_t extent) noexcept { return extent > 1 ? stride : 0; }

struct PartOperands {
  const void* rows;
  void* cache;
  int32_t width;
  const int64_t (&row_strides)[2];
  const int64_t (&cache_strides)[3];
};

// How what is written lies: in bytes, and 0 where it is never taken.
struct PlaceStrides {
  int64_t page;
  int64_t slot;
  int64_t head;
};

BARACUDA_ALWAYS_INLINE PlaceStrides taken_strides(const Op& op, const PlaceStrides& strides) noexcept {
  // Where the pages are not counted there may be any number of them.
  return {taken(strides.page, op.num_total_pages != 0 ? op.num_total_pages : INT32_MAX),
          taken(strides.slot, op.page_size), taken(strides.head, op.num_heads)};
}

BARACUDA_ALWAYS_INLINE PlaceStrides strides_as_stated(const Op& op, const int64_t (&strides)[3],
                                                      int64_t element_bytes) noexcept {
  return taken_strides(
      op, {saturating_signed_product(strides[0], element_bytes), saturating_signed_product(strides[1], element_bytes),
           saturating_signed_product(strides[2], element_bytes)});
}

// Of rows that are packed, in the order that the layout says.
BARACUDA_ALWAYS_INLINE PlaceStrides packed_strides(const Op& op, bool heads_first, int64_t row_bytes) noexcept {
  const int64_t token_bytes = saturating_signed_product(op.num_heads, row_bytes);
  return taken_strides(op, {saturating_signed_product(op.page_size, token_bytes), heads_first ? row_bytes : token_bytes,
                            heads_first ? saturating_signed_product(op.page_size, row_bytes) : row_bytes});
}

BARACUDA_ALWAYS_INLINE void make_part(const Op& op, const PartOperands& from, int64_t source_bytes,
                                      int64_t element_bytes, Part* made) noexcept {
  Part& part = *made;
  part.rows = static_cast<const unsigned char*>(from.rows);
  part.cache = static_cast<unsigned char*>(from.cache);
  part.row_bytes = from.width * source_bytes;
  part.cache_row_bytes = BARACUDA_LIKELY(op.transform == BARACUDA_TRANSFORM_COPY)
                             ? part.row_bytes
                             : cache_width(op.transform, from.width) * element_bytes;
  PlaceStrides cache;
  if (has_flag(op, BARACUDA_FLAG_STRIDED)) {
    part.token_stride = saturating_signed_product(from.row_strides[0], source_bytes);
    part.head_stride = saturating_signed_product(from.row_strides[1], source_bytes);
    cache = strides_as_stated(op, from.cache_strides, element_bytes);
  } else {
    part.token_stride = saturating_signed_product(op.num_heads, part.row_bytes);
    part.head_stride = part.row_bytes;
    cache = packed_strides(op, op.layout == BARACUDA_LAYOUT_HND, part.cache_row_bytes);
  }
  part.token_stride = taken(part.token_stride, num_rows(op));
  part.head_stride = taken(part.head_stride, op.num_heads);
  part.page_stride = cache.page;
  part.slot_stride = cache.slot;
  part.cache_head_stride = cache.head;
  part.scale = nullptr;
  part.scales = nullptr;
}

struct ScaleOperands {
  const void* scale;
  int64_t scale_stride;
  void* scales;
  const int64_t (&scales_strides)[3];
};

void add_scales(const Op& op, const ScaleOperands& from, int32_t width, Part* part) noexcept {
  if ((kScaled & bit(op.transform)) != 0) {
    part->scale = static_cast<const unsigned char*>(from.scale);
    part->scale_head_stride = taken(from.scale_stride, op.num_heads) * int64_t{sizeof(float)};
  }
  if ((kScaling & bit(op.transform)) == 0) return;
  const int64_t bytes = scales_element_bytes(op.transform);
  // Those of a whole row lie as they are indexed, [pages, P, H]; blocks of one lie as the cache does.
  const bool heads_first = op.transform == BARACUDA_TRANSFORM_NVFP4 && op.layout == BARACUDA_LAYOUT_HND;
  const PlaceStrides strides = has_flag(op, BARACUDA_FLAG_STRIDED)
                                   ? strides_as_stated(op, from.scales_strides, bytes)
                                   : packed_strides(op, heads_first, scales_width(op.transform, width) * bytes);
  part->scales = static_cast<unsigned char*>(from.scales);
  part->scales_page_stride = strides.page;
  part->scales_slot_stride = strides.slot;
  part->scales_head_stride = strides.head;
}

unsigned char* offset_by(const unsigned char* address, int32_t bytes) noexcept {
  return reinterpret_cast<unsigned char*>(reinterpret_cast<uintptr_t>(address) + static_cast<uintptr_t>(bytes));
}

// Both parts lie in the rows of k_data.
void share_ds_mla_rows(Append* append) noexcept {
  Part& ckv = append->parts[0];
  ckv.scales = offset_by(ckv.cache, kDsMlaScalesAt);
  ckv.scales_page_stride = ckv.page_stride;
  ckv.scales_slot_stride = ckv.slot_stride;
  ckv.scales_head_stride = ckv.cache_head_stride;
  if (append->num_parts == 1) return;
  Part& kpe = append->parts[1];
  kpe.cache = offset_by(ckv.cache, kDsMlaRopeAt);
  kpe.cache_row_bytes = kDsMlaRopeBytes;
  kpe.page_stride = ckv.page_stride;
  kpe.slot_stride = ckv.slot_stride;
  kpe.cache_head_stride = ckv.cache_head_stride;
}

void make_transform(const Op& op, Append* append) noexcept {
  if (op.transform == BARACUDA_TRANSFORM_FP8_DS_MLA) {
    share_ds_mla_rows(append);
    return;
  }
  add_scales(op, {op.k_scale, op.k_scale_stride, op.k_scales, op.k_scales_strides}, op.head_dim, &append->parts[0]);
  if (append->num_parts == 2)
    add_scales(op, {op.v_scale, op.v_scale_stride, op.v_scales, op.v_scales_strides}, value_head_dim(op),
               &append->parts[1]);
}

Placing placing_of(const Op& op) noexcept {
  switch (static_cast<baracuda_addressing>(op.addressing)) {
    case BARACUDA_ADDRESSING_LAST_PAGE:
      break;
    case BARACUDA_ADDRESSING_RAGGED:
      return Placing::kRagged;
    case BARACUDA_ADDRESSING_POSITIONS:
      return Placing::kPositions;
    case BARACUDA_ADDRESSING_SLOTS:
      return Placing::kSlots;
  }
  return op.lengths == BARACUDA_LENGTHS_SEQ_LENS ? Placing::kNewest : Placing::kLastPage;
}

uint32_t is_wide(const Op& op, int operand) noexcept { return is_int64(op, operand) ? 1 : 0; }

// How many requests a row would have if each had as many, in 2^-32.
uint32_t requests_a_row(const Op& op) noexcept {
  const auto requests = static_cast<uint64_t>(op.batch_size);
  const auto rows = static_cast<uint64_t>(num_rows(op));
  return requests < rows ? static_cast<uint32_t>((requests << 32) / rows) : UINT32_MAX;
}

// Which operand of the append says it, and how wide its entries are.
void place_by(const Op& op, PlaceOperand says, int operand, Placement* placement) noexcept {
  placement->operands[says] = pointer_in(op, operand);
  placement->wide |= is_wide(op, operand) << says;
}

BARACUDA_ALWAYS_INLINE void make_placement(const Op& op, bool states_pages, bool may_not_state_table,
                                           Placement* made) noexcept {
  Placement& placement = *made;
  placement.placing = placing_of(op);
  placement.table = op.table;
  placement.lengths = op.lengths;
  placement.counts_new = op.length_convention == BARACUDA_AFTER_APPEND ? 1 : 0;
  placement.num_requests = op.batch_size;
  placement.num_rows = static_cast<int32_t>(num_rows(op));
  placement.used_pages = op.total_used_pages == 0 && may_not_state_table ? INT32_MAX : op.total_used_pages;
  placement.num_pages = states_pages ? op.num_total_pages : INT32_MAX;
  placement.per_page.divisor = static_cast<uint32_t>(op.page_size);
  placement.table_stride = 0;
  placement.operands[kPages] = op.indices;
  placement.operands[kIndptr] = op.indptr;
  placement.operands[kLengths] = op.last_page_len;
  placement.operands[kOwners] = nullptr;
  placement.wide = 0;
  if (op.int64_operands != 0)
    placement.wide = is_wide(op, BARACUDA_OPERAND_INDICES) << kPages | is_wide(op, BARACUDA_OPERAND_INDPTR) << kIndptr |
                     is_wide(op, BARACUDA_OPERAND_LAST_PAGE_LEN) << kLengths;
  if (is_decode(op)) return;

  placement.per_page = Divisor<uint32_t>(static_cast<uint64_t>(op.page_size));
  if (op.table == BARACUDA_TABLE_DENSE) {
    placement.wide = 0;
    place_by(op, kPages, BARACUDA_OPERAND_BLOCK_TABLE, &placement);
    placement.table_stride = op.max_pages > 0 ? taken(op.block_table_stride, op.batch_size) : 0;
    placement.used_pages = static_cast<int32_t>(op.max_pages);
  }
  if (op.lengths == BARACUDA_LENGTHS_SEQ_LENS) {
    placement.wide &= ~(1u << kLengths);
    place_by(op, kLengths, BARACUDA_OPERAND_SEQ_LENS, &placement);
  }
  switch (static_cast<baracuda_addressing>(op.addressing)) {
    case BARACUDA_ADDRESSING_LAST_PAGE:
      break;
    case BARACUDA_ADDRESSING_RAGGED:
      place_by(op, kOwners, BARACUDA_OPERAND_APPEND_INDPTR, &placement);
      placement.requests_a_row = requests_a_row(op);
      break;
    case BARACUDA_ADDRESSING_POSITIONS:
      place_by(op, kOwners, BARACUDA_OPERAND_BATCH_INDICES, &placement);
      placement.wide &= ~(1u << kTargets);
      place_by(op, kTargets, BARACUDA_OPERAND_POSITIONS, &placement);
      placement.requests_a_row = requests_a_row(op);
      break;
    case BARACUDA_ADDRESSING_SLOTS:
      placement.wide = 0;
      place_by(op, kTargets, BARACUDA_OPERAND_SLOT_MAPPING, &placement);
      placement.skip_slot = has_flag(op, BARACUDA_FLAG_SKIP_SLOT) ? op.skip_slot : -1;
      break;
  }
}

}  // namespace

void make_append(const Op& op, Append* made) noexcept {
  Append& append = *made;
  append.backend = find_backend(op.backend);
  append.element = find_element(op.element);
  append.source_element = find_element(source_element(op));
  append.transform = op.transform;
  append.guarded = is_guarded(op);
  append.mirrored = has_flag(op, BARACUDA_FLAG_MIRRORED);
  append.states_pages = op.num_total_pages > 0;
  append.num_heads = op.num_heads;
  append.head_dim = op.head_dim;
  append.num_parts = op.parts == BARACUDA_PARTS_KEY ? 1 : 2;
  const int64_t source_bytes = append.source_element->bytes();
  const int64_t element_bytes = append.element->bytes();
  make_part(op, {op.key, op.k_data, op.head_dim, op.key_strides, op.k_data_strides}, source_bytes, element_bytes,
            &append.parts[0]);
  if (append.num_parts == 2)
    make_part(op, {op.value, op.v_data, value_head_dim(op), op.value_strides, op.v_data_strides}, source_bytes,
              element_bytes, &append.parts[1]);
  if (!BARACUDA_LIKELY(op.transform == BARACUDA_TRANSFORM_COPY)) make_transform(op, &append);

  make_placement(op, append.states_pages, append.mirrored || append.backend->may_not_state_pages, &append.placement);
  append.record = op.error_record;
  append.stream = op.stream;
}

}  // namespace baracuda
