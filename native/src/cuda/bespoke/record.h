// The claim of a caller's error record by one of many threads.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_RECORD_H_
#define BARACUDA_SRC_CUDA_BESPOKE_RECORD_H_

#include <cstdint>

#include "baracuda_ffi.h"
#include "cuda/device_code.h"
#include "place/place.h"

namespace baracuda::cuda {

// Of all that meet what is corrupt, over all launches since the record was zeroed, one describes it.
__device__ inline void record_corruption(baracuda_error_record* record, int64_t row, int64_t request, int64_t page,
                                         const Corruption& found) {
  if (record == nullptr || found.reason == BARACUDA_CORRUPT_NONE) return;
  if (atomicCAS(&record->reason, BARACUDA_CORRUPT_NONE, found.reason) == BARACUDA_CORRUPT_NONE)
    describe(record, row, request, page, found);
}

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_BESPOKE_RECORD_H_
