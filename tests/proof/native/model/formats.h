/* What a row becomes in a cache, by the header's rules, written once more and as plainly as it goes: the nearest of all
 * the numbers that a type has. In the default rounding and denormal mode. */
#ifndef BARACUDA_PROOF_FORMATS_H_
#define BARACUDA_PROOF_FORMATS_H_

#include <stdint.h>

#include "baracuda_ffi.h"

enum { DS_MLA_RANK = 512, DS_MLA_ROPE = 64, DS_MLA_ROW = 656, DS_MLA_SCALES = 16, NVFP4_BLOCK = 16 };

/* The element of key and value. */
int32_t source_element(const baracuda_paged_kv_append* op);

/* Of a row of `width` elements: the elements of its cache, and the bytes of the scales that are written beside it. */
int64_t cache_width(const baracuda_paged_kv_append* op, int64_t width);
int64_t scales_bytes(const baracuda_paged_kv_append* op, int64_t width);

/* The bytes that the row of a part is written to, and those of its scales, from `width` elements at `from` and the
 * scale that is given. A row of FP8_DS_MLA's ckv has its scales behind it, and without kpe zeros behind these. */
void convert_row(const baracuda_paged_kv_append* op, int part, const uint8_t* from, int64_t width, float scale,
                 uint8_t* to, uint8_t* scales);
int64_t converted_bytes(const baracuda_paged_kv_append* op, int part, int64_t width);

#endif
