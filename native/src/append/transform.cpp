#include "append/transform.h"

#include "append/problem.h"
#include "base/status.h"

namespace baracuda {
namespace {

int32_t check_elements(const Op& op) noexcept {
  const Transform& transform = kTransforms[op.transform];
  if ((transform.elements & element_bit(op.element)) == 0)
    return fail(BARACUDA_UNSUPPORTED, "element is %d (%s); transform %s writes caches of %s", op.element,
                element_name(op.element), transform.name, transform.element_names);
  const int32_t source = source_element(op);
  if (find_element(source) == nullptr || (transform.sources & element_bit(source)) == 0)
    return fail(BARACUDA_INVALID_PROBLEM, "source_element is %d (%s%s); transform %s reads key and value of %s",
                op.source_element, op.source_element == BARACUDA_ELEMENT_NONE ? "as element, " : "",
                element_name(source), transform.name, transform.source_names);
  return BARACUDA_OK;
}

int32_t check_scale_stride(const char* name, int64_t stride) noexcept {
  if (stride == 0 || stride == 1) return BARACUDA_OK;
  return fail(BARACUDA_UNSUPPORTED, "%s is %lld; it should be 0 for [1], or 1 for [num_heads]", name,
              static_cast<long long>(stride));
}

int32_t check_scale_strides(const Op& op) noexcept {
  BARACUDA_TRY(check_scale_stride("k_scale_stride", op.k_scale_stride));
  return op.parts == BARACUDA_PARTS_KEY ? BARACUDA_OK : check_scale_stride("v_scale_stride", op.v_scale_stride);
}

int32_t check_blocks(const char* name, const char* of, int32_t width) noexcept {
  if (width % kNvfp4Block == 0) return BARACUDA_OK;
  return fail(BARACUDA_UNSUPPORTED,
              "%s is %d, the width of %s; with transform NVFP4 it should be a multiple of %d, which share a scale",
              name, width, of, kNvfp4Block);
}

int32_t check_nvfp4(const Op& op) noexcept {
  BARACUDA_TRY(check_blocks("head_dim", "key", op.head_dim));
  if (op.parts != BARACUDA_PARTS_KEY) BARACUDA_TRY(check_blocks("value_head_dim", "value", value_head_dim(op)));
  return check_scale_strides(op);
}

int32_t check_ds_mla(const Op& op) noexcept {
  if (op.head_dim != kDsMlaRank || op.num_heads != 1)
    return fail(
        BARACUDA_UNSUPPORTED,
        "head_dim is %d and num_heads %d, those of key; with transform FP8_DS_MLA they should be %d, ckv's, and 1",
        op.head_dim, op.num_heads, kDsMlaRank);
  if (op.parts != BARACUDA_PARTS_KEY && value_head_dim(op) != kDsMlaRope)
    return fail(BARACUDA_UNSUPPORTED,
                "value_head_dim is %d, the width of value; with transform FP8_DS_MLA it should be %d, kpe's",
                value_head_dim(op), kDsMlaRope);
  return BARACUDA_OK;
}

}  // namespace

int32_t check_quantising(const Op& op) noexcept {
  BARACUDA_TRY(check_elements(op));
  switch (static_cast<baracuda_transform>(op.transform)) {
    case BARACUDA_TRANSFORM_COPY:
    case BARACUDA_TRANSFORM_PER_TOKEN_HEAD:
      break;
    case BARACUDA_TRANSFORM_FP8:
      return check_scale_strides(op);
    case BARACUDA_TRANSFORM_FP8_DS_MLA:
      return check_ds_mla(op);
    case BARACUDA_TRANSFORM_NVFP4:
      return check_nvfp4(op);
  }
  return BARACUDA_OK;
}

}  // namespace baracuda
