// What is written, as the checks see it: a row for each transform, of the elements that it reads and writes, and how
// wide its rows are in a cache. The numeric rules are not here.
#ifndef BARACUDA_SRC_APPEND_TRANSFORM_H_
#define BARACUDA_SRC_APPEND_TRANSFORM_H_

#include <cstdint>

#include "append/append.h"
#include "baracuda_ffi.h"
#include "base/element.h"
#include "format/e2m1.h"
#include "format/scales.h"

namespace baracuda {

struct Transform {
  const char* name;
  uint32_t sources;  // bit i: it reads baracuda_element i
  const char* source_names;
  uint32_t elements;  // bit i: it writes caches of baracuda_element i
  const char* element_names;
};

constexpr uint32_t element_bit(int32_t element) noexcept { return 1u << element; }

inline constexpr uint32_t kHalves = element_bit(BARACUDA_ELEMENT_F16) | element_bit(BARACUDA_ELEMENT_BF16);
inline constexpr uint32_t kFloats = kHalves | element_bit(BARACUDA_ELEMENT_F32);

// Indexed by baracuda_transform.
inline constexpr Transform kTransforms[] = {
    {"COPY", ~0u, "any", ~0u, "any"},
    {"FP8", kFloats, "f16, bf16 or f32",
     element_bit(BARACUDA_ELEMENT_FP8_E4M3) | element_bit(BARACUDA_ELEMENT_FP8_E5M2), "fp8_e4m3 or fp8_e5m2"},
    {"PER_TOKEN_HEAD", kFloats, "f16, bf16 or f32",
     element_bit(BARACUDA_ELEMENT_FP8_E4M3) | element_bit(BARACUDA_ELEMENT_I8), "fp8_e4m3 or int8"},
    {"FP8_DS_MLA", kHalves, "f16 or bf16", element_bit(BARACUDA_ELEMENT_U8), "uint8"},
    {"NVFP4", kFloats, "f16, bf16 or f32", element_bit(BARACUDA_ELEMENT_U8), "uint8"},
};

inline constexpr int32_t kNumTransforms = sizeof(kTransforms) / sizeof(kTransforms[0]);
static_assert(kNumTransforms == BARACUDA_TRANSFORM_NVFP4 + 1, "one row for each");

// A token of FP8_DS_MLA: ckv as e4m3, a scale for each tile of it, and kpe as it is.
inline constexpr int32_t kDsMlaRank = 512;
inline constexpr int32_t kDsMlaRope = 64;
inline constexpr int32_t kDsMlaScalesAt = kDsMlaRank;
inline constexpr int32_t kDsMlaRopeAt = kDsMlaScalesAt + kDsMlaRank / kDsMlaTile * 4;
inline constexpr int32_t kDsMlaRopeBytes = kDsMlaRope * 2;
inline constexpr int32_t kDsMlaRowBytes = kDsMlaRopeAt + kDsMlaRopeBytes;
static_assert(kDsMlaRowBytes == 656, "vLLM's");

// The elements of a row in a cache, of a row of `width` in its source.
constexpr int32_t cache_width(int32_t transform, int32_t width) noexcept {
  if (transform == BARACUDA_TRANSFORM_NVFP4) return width / 2;
  return transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? kDsMlaRowBytes : width;
}

// The scales that are written beside a row of `width`.
constexpr int32_t scales_width(int32_t transform, int32_t width) noexcept {
  return transform == BARACUDA_TRANSFORM_NVFP4 ? width / kNvfp4Block : 1;
}

// The bytes of one of them: an f32, or an e4m3.
constexpr int32_t scales_element_bytes(int32_t transform) noexcept {
  return transform == BARACUDA_TRANSFORM_NVFP4 ? 1 : 4;
}

// What the addresses of rows in a cache are multiples of.
constexpr uint32_t cache_alignment(int32_t transform, const Element& element) noexcept {
  return transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? 4u : element.bytes();
}

// How many operands are caches: FP8_DS_MLA has one for both of its parts.
inline int num_caches(const Append& append) noexcept {
  return append.transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? 1 : append.num_parts;
}

// The type of key and value.
constexpr int32_t source_element(const Op& op) noexcept {
  return op.source_element != BARACUDA_ELEMENT_NONE ? op.source_element : op.element;
}

// Whether a transform that is no copy reads and writes what `op` says: its elements, widths and heads, which are
// checked by themselves.
int32_t check_quantising(const Op& op) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_TRANSFORM_H_
