// The symbols of baracuda-kernels-sys, stamped from the table of element types: each fills the general struct.
#include "append/problem.h"
#include "append/run.h"
#include "base/element.h"
#include "base/fence.h"

namespace baracuda {
namespace {

Op mirrored_problem(int32_t backend, int32_t element, int32_t batch_size, int32_t page_size, int32_t num_heads,
                    int32_t head_dim) {
  Op op{};
  op.struct_size = sizeof(Op);
  op.flags = BARACUDA_FLAG_MIRRORED;
  op.backend = backend;
  op.element = element;
  op.layout = BARACUDA_LAYOUT_HND;
  op.length_convention = BARACUDA_BEFORE_APPEND;
  op.batch_size = batch_size;
  op.page_size = page_size;
  op.num_heads = num_heads;
  op.head_dim = head_dim;
  return op;
}

int32_t some_element_can(int32_t backend, int32_t batch_size, int32_t page_size, int32_t num_heads, int32_t head_dim) {
  int32_t status = BARACUDA_UNSUPPORTED;
  for (const Element& element : kElements) {
    if (!element.is_mirrored) continue;
    status = check_problem(mirrored_problem(backend, element.value, batch_size, page_size, num_heads, head_dim));
    if (status == BARACUDA_OK) break;
  }
  return status;
}

}  // namespace
}  // namespace baracuda

#define BARACUDA_DEFINE_RUN(family, BACKEND, name, value_of_element)                                          \
  extern "C" int32_t baracuda_kernels_##family##_paged_kv_append_decode_##name##_run(                         \
      int32_t batch_size, int32_t page_size, int32_t num_heads, int32_t head_dim, void* k_data, void* v_data, \
      void* indices, void* indptr, void* last_page_len, const void* key, const void* value, void* stream) {   \
    return baracuda::at_the_abi([&]() -> int32_t {                                                            \
      baracuda::Op op =                                                                                       \
          baracuda::mirrored_problem(BACKEND, value_of_element, batch_size, page_size, num_heads, head_dim);  \
      op.k_data = k_data;                                                                                     \
      op.v_data = v_data;                                                                                     \
      op.indices = indices;                                                                                   \
      op.indptr = indptr;                                                                                     \
      op.last_page_len = last_page_len;                                                                       \
      op.key = key;                                                                                           \
      op.value = value;                                                                                       \
      op.stream = stream;                                                                                     \
      return baracuda::run_append(op);                                                                        \
    });                                                                                                       \
  }

#define BARACUDA_DEFINE_CAN_IMPLEMENT(family, BACKEND, name, value_of_element)                                \
  extern "C" int32_t baracuda_kernels_##family##_paged_kv_append_decode_##name##_can_implement(               \
      int32_t batch_size, int32_t page_size, int32_t num_heads, int32_t head_dim) {                           \
    return baracuda::at_the_abi([&]() -> int32_t {                                                            \
      return baracuda::check_problem(                                                                         \
          baracuda::mirrored_problem(BACKEND, value_of_element, batch_size, page_size, num_heads, head_dim)); \
    });                                                                                                       \
  }

#define BARACUDA_DEFINE_FAMILY(family, BACKEND)                                                                        \
  extern "C" int32_t baracuda_kernels_##family##_paged_kv_append_decode_can_implement(                                 \
      int32_t batch_size, int32_t page_size, int32_t num_heads, int32_t head_dim) {                                    \
    return baracuda::at_the_abi(                                                                                       \
        [&]() -> int32_t { return baracuda::some_element_can(BACKEND, batch_size, page_size, num_heads, head_dim); }); \
  }

#define BARACUDA_DEFINE_ELEMENT(ENUM, name, value_of_element, dlpack_code, bits)                 \
  BARACUDA_DEFINE_RUN(flashinfer, BARACUDA_BACKEND_FLASHINFER, name, value_of_element)           \
  BARACUDA_DEFINE_CAN_IMPLEMENT(flashinfer, BARACUDA_BACKEND_FLASHINFER, name, value_of_element) \
  BARACUDA_DEFINE_RUN(host, BARACUDA_BACKEND_HOST, name, value_of_element)                       \
  BARACUDA_DEFINE_CAN_IMPLEMENT(host, BARACUDA_BACKEND_HOST, name, value_of_element)

BARACUDA_FOR_EACH_MIRRORED_ELEMENT(BARACUDA_DEFINE_ELEMENT)
BARACUDA_DEFINE_FAMILY(flashinfer, BARACUDA_BACKEND_FLASHINFER)
BARACUDA_DEFINE_FAMILY(host, BARACUDA_BACKEND_HOST)
