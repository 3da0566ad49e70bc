// As much of CUDA's header as device code needs that a host compiler runs.
#ifndef BARACUDA_TESTS_CUDA_DEVICE_LAUNCH_PARAMETERS_H_
#define BARACUDA_TESTS_CUDA_DEVICE_LAUNCH_PARAMETERS_H_

#include "vector_types.h"

#define __device__
#define __forceinline__ inline

extern uint3 threadIdx;

#endif  // BARACUDA_TESTS_CUDA_DEVICE_LAUNCH_PARAMETERS_H_
