// One append as everything behind the C struct sees it: which place, which rows, what is written. Made once from the
// caller's struct, by make_append. Layouts end there: strides reach the backends, in bytes.
#ifndef BARACUDA_SRC_APPEND_APPEND_H_
#define BARACUDA_SRC_APPEND_APPEND_H_

#include <cstdint>

#include "baracuda_ffi.h"
#include "base/element.h"
#include "place/place.h"

namespace baracuda {

struct Backend;

// The caller's struct, in this library's size.
using Op = baracuda_paged_kv_append;

// Key and its cache, or value and its. Strides are 0 where there is at most one place to go to. FP8_DS_MLA has two
// parts in one cache: ckv, which goes to the beginning of a row, with its four scales behind it in `scales`; and kpe, a
// copy, whose `cache` lies in the same rows. Where it has ckv alone, what would be kpe's is filled with zeros.
struct Part {
  const unsigned char* rows;
  unsigned char* cache;
  int64_t row_bytes;     // of a row in its source
  int64_t token_stride;  // in rows
  int64_t head_stride;
  int64_t cache_row_bytes;  // of a row in its cache: row_bytes, for a copy; kpe's are its own
  int64_t page_stride;      // in cache
  int64_t slot_stride;
  int64_t cache_head_stride;
  const unsigned char* scale;  // given: f32; nullptr for a transform that takes none
  unsigned char* scales;       // written: f32, or NVFP4's e4m3, side by side; nullptr for a transform that writes none
  int64_t scale_head_stride;   // 0: one for all heads. Not filled in without `scale`
  int64_t scales_page_stride;  // Not filled in without `scales`
  int64_t scales_slot_stride;
  int64_t scales_head_stride;
};

// Whether one step leads from place to place in both caches.
inline bool have_caches_alike(const Part& k, const Part& v) noexcept {
  return k.page_stride == v.page_stride && k.slot_stride == v.slot_stride && k.cache_head_stride == v.cache_head_stride;
}

inline constexpr int kMaxParts = 2;

struct Append {
  const Backend* backend;
  const Element* element;         // the caches'
  const Element* source_element;  // of key and value
  int32_t transform;              // baracuda_transform
  bool guarded;
  bool mirrored;      // held to baracuda-kernels' checks: padding is refused
  bool states_pages;  // num_total_pages is known
  int32_t num_heads;
  int32_t head_dim;  // of key, in elements
  int32_t num_parts;
  Part parts[kMaxParts];
  Placement placement;
  baracuda_error_record* record;  // nullptr: record nothing
  void* stream;
};

// Rows that the backends have to look at.
inline int64_t rows_of(const Append& append) noexcept { return append.placement.num_rows; }

// Of a problem that check_problem has accepted; pointers may still be anything.
void make_append(const Op& op, Append* made) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_APPEND_H_
