/* What baracuda_ffi.jax, and nobody else, takes from the library: the append as a target of XLA's foreign function
 * interface, which calls it from compiled programs. Not part of the ABI: it is not installed, and changes as the
 * package does. The library links to nothing of XLA: a handler is given all that it calls. */
#ifndef BARACUDA_SRC_XLA_HANDLERS_H_
#define BARACUDA_SRC_XLA_HANDLERS_H_

#include "baracuda_ffi.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct baracuda_xla_handler {
  const char* platform; /* XLA's name of it; NULL after the last */
  const char* stage;    /* "initialize" or "execute" */
  void* function;       /* XLA_FFI_Error* (*)(XLA_FFI_CallFrame*) */
} baracuda_xla_handler;

/* The handlers. Each takes the operands as its arguments, packed in the order of their dimensions, and those that are
 * written also as its results, in the same order and the same memory. Two attributes say what they are: `op`, the bytes
 * of a baracuda_paged_kv_append of this library, with BARACUDA_FLAG_INFER, whose backend, stream, and on CUDA whose
 * guard are the handler's to set; and `operands`, for each argument its baracuda_operand, or one of the following
 * two. */
#define BARACUDA_XLA_KV_DATA 1000      /* [num_total_pages, 2, ...], for k_data and v_data */
#define BARACUDA_XLA_ERROR_RECORD 1001 /* 64 bytes */
/* `minor_version` is that of the interface of the XLA that will call them, which asks for it again, and takes no other
 * from some releases. One that is newer than the library answers by the library's own. */
BARACUDA_API const baracuda_xla_handler* baracuda_private_xla_handlers(int32_t minor_version);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BARACUDA_SRC_XLA_HANDLERS_H_ */
