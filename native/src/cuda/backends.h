// What the CUDA part of the library does for the table of backends. In a build without CUDA each of these refuses.
#ifndef BARACUDA_SRC_CUDA_BACKENDS_H_
#define BARACUDA_SRC_CUDA_BACKENDS_H_

#include <cstdint>

#include "append/append.h"
#include "append/operands.h"
#include "pages/copy.h"
#include "pages/operands.h"

namespace baracuda::cuda {

int32_t launch_flashinfer(const Append& append);
int32_t preload_flashinfer(const Append& append, int32_t* arch);

int32_t launch_bespoke(const Append& append);
int32_t preload_bespoke(const Append& append, int32_t* arch);

int32_t check_reachable(const Op& op, Operands operands);

int32_t launch_pages(const PageCopy& copy);
int32_t preload_pages(const PageCopy& copy, int32_t* arch);
int32_t check_pages_reachable(const CopyOp& op, CopyOperands operands);

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_BACKENDS_H_
