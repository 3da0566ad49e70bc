// What a thread copies at once: vectors of 16 bytes, 8, 4, 2 or 1, loaded and stored under a predicate.
//
// The loads are volatile to stay where they are, between the page table's first loads and its last: an ordinary load
// sinks to where its value is stored, behind the page table, and waits for it. What is loaded under a false predicate
// is undefined.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_VECTOR_H_
#define BARACUDA_SRC_CUDA_BESPOKE_VECTOR_H_

#include <cstdint>
#include <type_traits>

#include "cuda/device_code.h"

namespace baracuda::cuda {

#if defined(__CUDACC__)

// `operands` are those of the instruction; it is carried out if the asm operand `condition` is not 0.
#define BARACUDA_LOAD_IF(condition, type, operands) \
  "{\n\t.reg .pred p;\n\tsetp.ne.u32 p, " condition ", 0;\n\t@p ld.volatile.global." type " " operands ";\n\t}"

__device__ __forceinline__ void load_if(bool condition, const uint4* from, uint4* vector) {
  asm volatile(BARACUDA_LOAD_IF("%5", "v4.u32", "{%0, %1, %2, %3}, [%4]")
               : "=r"(vector->x), "=r"(vector->y), "=r"(vector->z), "=r"(vector->w)
               : "l"(from), "r"(static_cast<uint32_t>(condition)));
}

// What is not loaded is 0.
__device__ __forceinline__ void load_or_zero_if(bool condition, const uint4* from, uint4* vector) {
  *vector = {};
  asm volatile(BARACUDA_LOAD_IF("%5", "v4.u32", "{%0, %1, %2, %3}, [%4]")
               : "+r"(vector->x), "+r"(vector->y), "+r"(vector->z), "+r"(vector->w)
               : "l"(from), "r"(static_cast<uint32_t>(condition)));
}

__device__ __forceinline__ void load_if(bool condition, const uint2* from, uint2* vector) {
  asm volatile(BARACUDA_LOAD_IF("%3", "v2.u32", "{%0, %1}, [%2]")
               : "=r"(vector->x), "=r"(vector->y)
               : "l"(from), "r"(static_cast<uint32_t>(condition)));
}

__device__ __forceinline__ void load_if(bool condition, const uint32_t* from, uint32_t* vector) {
  asm volatile(BARACUDA_LOAD_IF("%2", "u32", "%0, [%1]")
               : "=r"(*vector)
               : "l"(from), "r"(static_cast<uint32_t>(condition)));
}

__device__ __forceinline__ void load_if(bool condition, const uint16_t* from, uint16_t* vector) {
  asm volatile(BARACUDA_LOAD_IF("%2", "u16", "%0, [%1]")
               : "=h"(*vector)
               : "l"(from), "r"(static_cast<uint32_t>(condition)));
}

__device__ __forceinline__ void load_if(bool condition, const uint8_t* from, uint8_t* vector) {
  uint32_t wide;
  asm volatile(BARACUDA_LOAD_IF("%2", "u8", "%0, [%1]")
               : "=r"(wide)
               : "l"(from), "r"(static_cast<uint32_t>(condition)));
  *vector = static_cast<uint8_t>(wide);
}

#undef BARACUDA_LOAD_IF

// Of what is read this once, and not kept near: in no order with other loads, unlike those above.
template <typename Vector>
__device__ __forceinline__ void load_once_if(bool condition, const Vector* from, Vector* vector) {
  load_if(condition, from, vector);
}

__device__ __forceinline__ void load_once_if(bool condition, const uint4* from, uint4* vector) {
  asm volatile(
      "{\n\t.reg .pred p;\n\tsetp.ne.u32 p, %5, 0;\n\t"
      "@p ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];\n\t}"
      : "=r"(vector->x), "=r"(vector->y), "=r"(vector->z), "=r"(vector->w)
      : "l"(from), "r"(static_cast<uint32_t>(condition)));
}

// Of a list that many threads read.
__device__ __forceinline__ void load_list_if(bool condition, const void* from, uint32_t* word) {
  asm volatile("{\n\t.reg .pred p;\n\tsetp.ne.u32 p, %2, 0;\n\t@p ld.global.u32 %0, [%1];\n\t}"
               : "=r"(*word)
               : "l"(from), "r"(static_cast<uint32_t>(condition)));
}

// Of what every thread reads.
__device__ __forceinline__ void load_shared_if(bool condition, const float* from, float* number) {
  asm volatile("{\n\t.reg .pred p;\n\tsetp.ne.u32 p, %2, 0;\n\t@p ld.global.f32 %0, [%1];\n\t}"
               : "=f"(*number)
               : "l"(from), "r"(static_cast<uint32_t>(condition)));
}

// By one instruction, whatever the compiler knows of the signs.
__device__ __forceinline__ int64_t wide_product(int32_t a, int32_t b) {
  int64_t product;
  asm("mul.wide.s32 %0, %1, %2;" : "=l"(product) : "r"(a), "r"(b));
  return product;
}

// The same, worked out here and not where it is needed.
template <typename Number>
__device__ __forceinline__ Number held(Number number) {
  if constexpr (sizeof(Number) == sizeof(int64_t))
    asm volatile("" : "+l"(number));
  else
    asm volatile("" : "+r"(number));
  return number;
}

#define BARACUDA_STORE_IF(condition, type, operands) \
  "{\n\t.reg .pred p;\n\tsetp.ne.u32 p, " condition ", 0;\n\t@p st.global." type " " operands ";\n\t}"

__device__ __forceinline__ void store_if(bool condition, uint4* to, const uint4& vector) {
  asm volatile(BARACUDA_STORE_IF("%0", "v4.u32", "[%1], {%2, %3, %4, %5}")
               :
               : "r"(static_cast<uint32_t>(condition)), "l"(to), "r"(vector.x), "r"(vector.y), "r"(vector.z),
                 "r"(vector.w)
               : "memory");
}

__device__ __forceinline__ void store_if(bool condition, uint2* to, const uint2& vector) {
  asm volatile(BARACUDA_STORE_IF("%0", "v2.u32", "[%1], {%2, %3}")
               :
               : "r"(static_cast<uint32_t>(condition)), "l"(to), "r"(vector.x), "r"(vector.y)
               : "memory");
}

__device__ __forceinline__ void store_if(bool condition, uint32_t* to, uint32_t vector) {
  asm volatile(BARACUDA_STORE_IF("%0", "u32", "[%1], %2")
               :
               : "r"(static_cast<uint32_t>(condition)), "l"(to), "r"(vector)
               : "memory");
}

__device__ __forceinline__ void store_if(bool condition, uint16_t* to, uint16_t vector) {
  asm volatile(BARACUDA_STORE_IF("%0", "u16", "[%1], %2")
               :
               : "r"(static_cast<uint32_t>(condition)), "l"(to), "h"(vector)
               : "memory");
}

__device__ __forceinline__ void store_if(bool condition, uint8_t* to, uint8_t vector) {
  asm volatile(BARACUDA_STORE_IF("%0", "u8", "[%1], %2")
               :
               : "r"(static_cast<uint32_t>(condition)), "l"(to), "r"(static_cast<uint32_t>(vector))
               : "memory");
}

#undef BARACUDA_STORE_IF

// As many bytes as a vector of these has, which is chosen where the kernel runs.
__device__ __forceinline__ void load_bytes_if(bool condition, const unsigned char* from, uint32_t bytes,
                                              uint4* vector) {
  uint2 two = {};
  uint16_t half = 0;
  uint8_t byte = 0;
  switch (bytes) {
    case 16:
      load_if(condition, reinterpret_cast<const uint4*>(from), vector);
      break;
    case 8:
      load_if(condition, reinterpret_cast<const uint2*>(from), &two);
      vector->x = two.x;
      vector->y = two.y;
      break;
    case 4:
      load_if(condition, reinterpret_cast<const uint32_t*>(from), &vector->x);
      break;
    case 2:
      load_if(condition, reinterpret_cast<const uint16_t*>(from), &half);
      vector->x = half;
      break;
    default:
      load_if(condition, reinterpret_cast<const uint8_t*>(from), &byte);
      vector->x = byte;
      break;
  }
}

__device__ __forceinline__ void store_bytes_if(bool condition, unsigned char* to, uint32_t bytes, const uint4& vector) {
  switch (bytes) {
    case 16:
      store_if(condition, reinterpret_cast<uint4*>(to), vector);
      break;
    case 8:
      store_if(condition, reinterpret_cast<uint2*>(to), uint2{vector.x, vector.y});
      break;
    case 4:
      store_if(condition, reinterpret_cast<uint32_t*>(to), vector.x);
      break;
    case 2:
      store_if(condition, reinterpret_cast<uint16_t*>(to), static_cast<uint16_t>(vector.x));
      break;
    default:
      store_if(condition, reinterpret_cast<uint8_t*>(to), static_cast<uint8_t>(vector.x));
      break;
  }
}

#else  // !defined(__CUDACC__)

// A host compiler would not take the instructions.
template <typename Vector>
void load_if(bool condition, const Vector* from, Vector* vector);
void load_or_zero_if(bool condition, const uint4* from, uint4* vector);
template <typename Vector>
void store_if(bool condition, Vector* to, const Vector& vector);
void load_shared_if(bool condition, const float* from, float* number);
int64_t wide_product(int32_t a, int32_t b);
template <typename Number>
Number held(Number number);
void load_bytes_if(bool condition, const unsigned char* from, uint32_t bytes, uint4* vector);
void store_bytes_if(bool condition, unsigned char* to, uint32_t bytes, const uint4& vector);

#endif  // defined(__CUDACC__)

// Vectors of 16 bytes or fewer, as many as `vector_bytes` says where the kernel runs.
struct AnyVector;

template <typename Vector>
constexpr bool kIsAnyVector = std::is_same_v<Vector, AnyVector>;

// A vector in a thread, and what pointers to vectors in memory point to.
template <typename Vector>
using Held = std::conditional_t<kIsAnyVector<Vector>, uint4, Vector>;
template <typename Vector>
using Pointed = std::conditional_t<kIsAnyVector<Vector>, unsigned char, Vector>;

// The vector that is so many behind the first.
template <typename Vector, typename Pointer>
__device__ __forceinline__ Pointer vector_at(Pointer first, int64_t offset, uint32_t vector_bytes) {
  return first + (kIsAnyVector<Vector> ? offset * vector_bytes : offset);
}

// How often a kernel reads what it loads.
enum class Reads { kAgain, kOnce };

template <typename Vector, Reads kReads = Reads::kAgain>
__device__ __forceinline__ void load_vector_if(bool condition, const Pointed<Vector>* from, uint32_t vector_bytes,
                                               Held<Vector>* vector) {
  if constexpr (kIsAnyVector<Vector>)
    load_bytes_if(condition, from, vector_bytes, vector);
  else if constexpr (kReads == Reads::kOnce)
    load_once_if(condition, from, vector);
  else
    load_if(condition, from, vector);
}

template <typename Vector>
__device__ __forceinline__ void store_vector_if(bool condition, Pointed<Vector>* to, uint32_t vector_bytes,
                                                const Held<Vector>& vector) {
  if constexpr (kIsAnyVector<Vector>)
    store_bytes_if(condition, to, vector_bytes, vector);
  else
    store_if(condition, to, vector);
}

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_BESPOKE_VECTOR_H_
