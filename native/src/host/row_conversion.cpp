#include "host/row_conversion.h"

#include <cstring>

#include "append/transform.h"
#include "base/saturating.h"
#include "host/float_mode.h"
#include "host/prefetch.h"

namespace baracuda::host {
namespace {

void copy_bytes(const unsigned char* from, size_t bytes, float, unsigned char* to, unsigned char*) noexcept {
  std::memcpy(to, from, bytes);
}

WriteRow writer_of(const Append& append, const RowWriters& writers) noexcept {
  const int32_t element = append.element->value;
  switch (static_cast<baracuda_transform>(append.transform)) {
    case BARACUDA_TRANSFORM_COPY:
      break;
    case BARACUDA_TRANSFORM_FP8:
      return element == BARACUDA_ELEMENT_FP8_E4M3 ? writers.fp8_e4m3 : writers.fp8_e5m2;
    case BARACUDA_TRANSFORM_PER_TOKEN_HEAD:
      return element == BARACUDA_ELEMENT_FP8_E4M3 ? writers.token_head_e4m3 : writers.token_head_int8;
    case BARACUDA_TRANSFORM_FP8_DS_MLA:
      return writers.ds_mla;
    case BARACUDA_TRANSFORM_NVFP4:
      return writers.nvfp4;
  }
  return copy_bytes;
}

WriteRow writer_of(const Append& append) noexcept {
  const WayToWrite& way = best_way();
  switch (static_cast<baracuda_element>(append.source_element->value)) {
    case BARACUDA_ELEMENT_F16:
      return writer_of(append, way.f16);
    case BARACUDA_ELEMENT_BF16:
      return writer_of(append, way.bf16);
    case BARACUDA_ELEMENT_F32:
      return writer_of(append, way.f32);
    case BARACUDA_ELEMENT_NONE:
    case BARACUDA_ELEMENT_FP8_E4M3:
    case BARACUDA_ELEMENT_FP8_E5M2:
    case BARACUDA_ELEMENT_I8:
    case BARACUDA_ELEMENT_U8:
      break;  // only copied
  }
  return copy_bytes;
}

void write_zeros(const unsigned char*, size_t bytes, float, unsigned char* to, unsigned char*) noexcept {
  std::memset(to, 0, bytes);
}

// Where a token is FP8_DS_MLA's ckv alone: what would be kpe's.
Part no_kpe(const Part& ckv) noexcept {
  Part part = ckv;
  part.row_bytes = kDsMlaRopeBytes;
  part.cache_row_bytes = kDsMlaRopeBytes;
  part.cache += kDsMlaRopeAt;
  part.scales = nullptr;
  return part;
}

// Whether a token's rows are as good as one row of all its heads.
bool is_one_row(const Append& append, const Part& part) noexcept {
  if (append.num_heads == 1) return true;
  return append.transform == BARACUDA_TRANSFORM_FP8 && part.scale_head_stride == 0 &&
         part.head_stride == part.row_bytes && part.cache_head_stride == part.cache_row_bytes;
}

int64_t offset_in(int64_t page_stride, int64_t slot_stride, const Place& place) noexcept {
  return place.page * page_stride + place.slot * slot_stride;
}

}  // namespace

RowConversion::RowConversion(const Append& append, const Place* places) noexcept
    : append_(append), places_(append, places) {
  const WriteRow writer = writer_of(append);
  const size_t element_bytes = append.source_element->bytes();
  add(append.parts[0], writer, element_bytes);
  if (append.transform == BARACUDA_TRANSFORM_FP8_DS_MLA)
    append.num_parts == 2 ? add(append.parts[1], copy_bytes, 1) : add(no_kpe(append.parts[0]), write_zeros, 1);
  else if (append.num_parts == 2)
    add(append.parts[1], writer, element_bytes);
}

void RowConversion::add(const Part& part, WriteRow write, size_t element_bytes) noexcept {
  const int64_t heads = is_one_row(append_, part) ? append_.num_heads : 1;
  const int64_t count = append_.num_heads / heads;
  const uint64_t bytes = static_cast<uint64_t>(part.row_bytes) * static_cast<uint64_t>(heads);
  rows_[num_parts_++] = {part, write, count, static_cast<size_t>(bytes / element_bytes),
                         static_cast<size_t>(part.cache_row_bytes * heads)};
  token_bytes_ = saturating_sum(token_bytes_, saturating_product(static_cast<uint64_t>(count), bytes));
}

// A token's rows are asked for while those of the token before it are written.
inline void RowConversion::write_token(int64_t row, const Place& place, const Place* next) const noexcept {
  for (int i = 0; i < num_parts_; ++i) {
    const Rows& rows = rows_[i];
    const Part& part = rows.part;
    const unsigned char* from = part.rows + row * part.token_stride;
    unsigned char* to = part.cache + offset_in(part.page_stride, part.slot_stride, place);
    const unsigned char* asked =
        next != nullptr ? part.cache + offset_in(part.page_stride, part.slot_stride, *next) : nullptr;
    unsigned char* scales = part.scales;
    if (scales != nullptr) scales += offset_in(part.scales_page_stride, part.scales_slot_stride, place);
    const unsigned char* given = part.scale;
    for (int64_t left = rows.count;;) {
      if (asked != nullptr) prefetch_run(asked, rows.bytes);
      float scale = 0;
      if (given != nullptr) std::memcpy(&scale, given, sizeof(scale));
      rows.write(from, rows.elements, scale, to, scales);
      if (--left == 0) break;
      from += part.head_stride;
      to += part.cache_head_stride;
      if (asked != nullptr) asked += part.cache_head_stride;
      if (scales != nullptr) scales += part.scales_head_stride;
      if (given != nullptr) given += part.scale_head_stride;
    }
  }
}

void RowConversion::write(int64_t first, int64_t last) const noexcept {
  const DefaultFloatMode mode;
  Place memory[kPlacesAtOnce];
  int64_t end = first;
  for (int64_t begin = first; begin < last; begin = end) {
    const Place* const places = places_.find(begin, last, memory, &end);
    for (int64_t row = begin; row < end; ++row) {
      const Place* const place = places + (row - begin);
      const bool is_next_served = row + 1 < end && place[1].is_served();
      if (place->is_served()) write_token(row, *place, is_next_served ? place + 1 : nullptr);
    }
  }
}

}  // namespace baracuda::host
