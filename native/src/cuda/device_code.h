// Lets a host compiler read device code. A source that has kernels is compiled twice: by nvcc, for the kernels, and by
// the host's compiler, for the functions that launch them. The latter compiles no function of the device, but reads
// them all: here is declared what nvcc has built in.
#ifndef BARACUDA_SRC_CUDA_DEVICE_CODE_H_
#define BARACUDA_SRC_CUDA_DEVICE_CODE_H_

#if !defined(__CUDACC__)

#include <device_launch_parameters.h>
#include <vector_types.h>

#include <cmath>

// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming): CUDA's names
#define __launch_bounds__(...)

int min(int a, int b);
int max(int a, int b);
unsigned int max(unsigned int a, unsigned int b);
float __fadd_rn(float a, float b);
float __fmul_rn(float a, float b);
float __fmaf_rn(float a, float b, float c);
float __frcp_rn(float a);
unsigned int __vmaxu2(unsigned int a, unsigned int b);
unsigned int __vcmpltu2(unsigned int a, unsigned int b);
unsigned int __byte_perm(unsigned int a, unsigned int b, unsigned int which);
unsigned int __funnelshift_r(unsigned int low, unsigned int high, unsigned int shift);
int __ffs(int bits);
int __clz(int bits);
unsigned int __umulhi(unsigned int a, unsigned int b);
int atomicCAS(int* address, int expected, int desired);
unsigned int __ballot_sync(unsigned int threads, int predicate);
int __any_sync(unsigned int threads, int predicate);
template <typename T>
T __shfl_sync(unsigned int threads, T value, int from);
template <typename T>
T __shfl_xor_sync(unsigned int threads, T value, int distance);
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)

#endif  // !defined(__CUDACC__)

#endif  // BARACUDA_SRC_CUDA_DEVICE_CODE_H_
