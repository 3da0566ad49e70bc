/* SPDX-License-Identifier: MIT
 *
 * Memory and a stream on the first GPU, through the CUDA driver found at run time: no CUDA to build with, no GPU
 * needed to run. A failed CUDA call ends the program. */
#ifndef BARACUDA_EXAMPLES_GPU_H_
#define BARACUDA_EXAMPLES_GPU_H_

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void* gpu_driver; /* libcuda, or NULL where there is no GPU */

static void gpu_check(int error, const char* what) {
  if (error == 0) return;
  fprintf(stderr, "%s: CUresult %d\n", what, error);
  exit(1);
}

/* Calls a function of the driver: GPU_CALL(cuInit, (unsigned), 0). */
#define GPU_CALL(name, parameters, ...)                              \
  do {                                                               \
    int(*gpu_function) parameters;                                   \
    *(void**)(&gpu_function) = dlsym(gpu_driver, #name);             \
    gpu_check(gpu_function ? gpu_function(__VA_ARGS__) : -1, #name); \
  } while (0)

/* Makes the first GPU's context current; 0 if there is no driver or no GPU. */
static int gpu_open(void) {
  void* context = NULL;
  int count = 0;
  int (*init)(unsigned) = NULL;
  gpu_driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (gpu_driver == NULL) return 0;
  *(void**)(&init) = dlsym(gpu_driver, "cuInit");
  if (init == NULL || init(0) != 0) return 0;
  GPU_CALL(cuDeviceGetCount, (int*), &count);
  if (count == 0) return 0;
  GPU_CALL(cuDevicePrimaryCtxRetain, (void**, int), &context, 0);
  GPU_CALL(cuCtxSetCurrent, (void*), context);
  return 1;
}

/* A copy of `size` bytes on the GPU. */
static void* gpu_copy_in(const void* source, size_t size) {
  uint64_t address = 0;
  GPU_CALL(cuMemAlloc_v2, (uint64_t*, size_t), &address, size);
  GPU_CALL(cuMemcpyHtoD_v2, (uint64_t, const void*, size_t), address, source, size);
  return (void*)(uintptr_t)address;
}

/* Copies `size` bytes of the GPU's into `target` and frees them. */
static void gpu_copy_out(void* target, void* source, size_t size) {
  GPU_CALL(cuMemcpyDtoH_v2, (void*, uint64_t, size_t), target, (uint64_t)(uintptr_t)source, size);
  GPU_CALL(cuMemFree_v2, (uint64_t), (uint64_t)(uintptr_t)source);
}

static void* gpu_stream(void) {
  void* stream = NULL;
  GPU_CALL(cuStreamCreate, (void**, unsigned), &stream, 1); /* 1: does not wait for the default stream */
  return stream;
}

static void gpu_wait(void* stream) { GPU_CALL(cuStreamSynchronize, (void*), stream); }

#endif /* BARACUDA_EXAMPLES_GPU_H_ */
