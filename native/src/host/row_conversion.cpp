#include "host/row_conversion.h"

#include <cstring>

#include "append/transform.h"
#include "base/saturating.h"
#include "host/float_mode.h"

namespace baracuda::host {
namespace {

const RowWriters& writers_of(const Element& source) noexcept {
  const WayToWrite& way = best_way();
  switch (source.value) {
    case BARACUDA_ELEMENT_F16:
      return way.f16;
    case BARACUDA_ELEMENT_BF16:
      return way.bf16;
    default:
      return way.f32;
  }
}

WriteRow writer_of(const Append& append) noexcept {
  const RowWriters& writers = writers_of(*append.source_element);
  const int32_t element = append.element->value;
  switch (append.transform) {
    case BARACUDA_TRANSFORM_FP8:
      return element == BARACUDA_ELEMENT_FP8_E4M3 ? writers.fp8_e4m3 : writers.fp8_e5m2;
    case BARACUDA_TRANSFORM_PER_TOKEN_HEAD:
      return element == BARACUDA_ELEMENT_FP8_E4M3 ? writers.token_head_e4m3 : writers.token_head_int8;
    case BARACUDA_TRANSFORM_FP8_DS_MLA:
      return writers.ds_mla;
    default:
      return writers.nvfp4;
  }
}

void copy_bytes(const unsigned char* from, size_t bytes, float, unsigned char* to, unsigned char*) noexcept {
  std::memcpy(to, from, bytes);
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
  rows_[num_parts_++] = {part, write, count, static_cast<size_t>(bytes / element_bytes)};
  token_bytes_ = saturating_sum(token_bytes_, saturating_product(static_cast<uint64_t>(count), bytes));
}

uint64_t RowConversion::bytes() const noexcept {
  return saturating_product(token_bytes_, static_cast<uint64_t>(rows_of(append_)));
}

inline void RowConversion::write_token(int64_t row, const Place& place) const noexcept {
  for (int i = 0; i < num_parts_; ++i) {
    const Part& part = rows_[i].part;
    const unsigned char* from = part.rows + row * part.token_stride;
    unsigned char* to = part.cache + (place.page * part.page_stride + place.slot * part.slot_stride);
    unsigned char* scales = part.scales;
    if (scales != nullptr) scales += place.page * part.scales_page_stride + place.slot * part.scales_slot_stride;
    const unsigned char* given = part.scale;
    for (int64_t left = rows_[i].count;;) {
      float scale = 0;
      if (given != nullptr) std::memcpy(&scale, given, sizeof(scale));
      rows_[i].write(from, rows_[i].elements, scale, to, scales);
      if (--left == 0) break;
      from += part.head_stride;
      to += part.cache_head_stride;
      if (scales != nullptr) scales += part.scales_head_stride;
      if (given != nullptr) given += part.scale_head_stride;
    }
  }
}

void RowConversion::write(int64_t first, int64_t last) const noexcept {
  const DefaultFloatMode mode;
  for (int64_t row = first; row < last; ++row) {
    Place place;
    if (places_.find(row, &place)) write_token(row, place);
  }
}

}  // namespace baracuda::host
