// Programmatic dependent launch: the GPU may begin a kernel while what is before it on its stream still finishes, and
// the kernel itself waits for that before it looks at memory. What it is started for, and what it works out of its
// argument, then costs no time of its own; and the order of the stream is kept to the letter: a thread that has waited
// finds all that came before, and a kernel that waits does not finish sooner either.
#ifndef BARACUDA_SRC_CUDA_STREAM_ORDER_H_
#define BARACUDA_SRC_CUDA_STREAM_ORDER_H_

#include <cstdint>

#include "cuda/device_code.h"

namespace baracuda::cuda {

// The first architecture that has it: PTX of this one and later waits, and other PTX does not, wherever it runs.
constexpr int32_t kFirstToWait = 90;

#if defined(__CUDACC__)

// Of every thread that reads or writes global memory, before it does. What was read with ld.global.nc has to be the
// same for as long as the kernel runs, which begins before the wait: it is of no use here.
__device__ __forceinline__ void wait_for_stream() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

#else

void wait_for_stream();

#endif  // defined(__CUDACC__)

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_STREAM_ORDER_H_
