/* What the Python package of this repository, and nobody else, takes from the library to do by the CUDA driver what an
 * append never does, such as to wait for a stream: where the work of a stream belongs. Not part of the ABI: it is not
 * installed, and changes as the package does. */
#ifndef BARACUDA_SRC_CUDA_STREAM_CONTEXT_H_
#define BARACUDA_SRC_CUDA_STREAM_CONTEXT_H_

#include <stdint.h>

#include "baracuda_ffi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sets `context` to the CUcontext of `stream`, to be made current, or to NULL where it is current. A default stream has
 * that of the device of the memory at `address`, as an append has that of k_data's; with NULL the current one, or where
 * none is the only primary one that is alive. `retained`: the device whose primary context was retained, to be released
 * once it is current no more, or -1. Creates no context. Returns a status of baracuda_ffi.h, with a message. */
BARACUDA_API int32_t baracuda_private_stream_context(void* stream, const void* address, void** context,
                                                     int32_t* retained);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BARACUDA_SRC_CUDA_STREAM_CONTEXT_H_ */
