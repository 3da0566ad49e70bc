// As much of CUDA's header as device code needs that a host compiler runs.
#ifndef BARACUDA_TESTS_CUDA_VECTOR_TYPES_H_
#define BARACUDA_TESTS_CUDA_VECTOR_TYPES_H_

struct uint3 {
  unsigned int x, y, z;
};
struct uint4 {
  unsigned int x, y, z, w;
};

#endif  // BARACUDA_TESTS_CUDA_VECTOR_TYPES_H_
