// The table of operands of a copy of pages: for each its name, its member of the C struct, and which movements want it.
#ifndef BARACUDA_SRC_PAGES_OPERANDS_H_
#define BARACUDA_SRC_PAGES_OPERANDS_H_

#include <cstddef>
#include <cstdint>

#include "memory/tensor.h"
#include "pages/copy.h"

namespace baracuda {

// BARACUDA_NUM_COPY_OPERANDS of them, indexed by baracuda_copy_operand.
using CopyOperands = const Tensor* const*;

struct CopyOperand {
  const char* name;
  size_t member;       // offset of its pointer in the C struct
  uint32_t movements;  // bit i: baracuda_movement i wants it
  uint32_t written;    // likewise: writes it
  uint32_t parts;      // by baracuda_parts
};

static_assert(sizeof(CopyOp::k_page) == kMaxPageRank * sizeof(int64_t) &&
              sizeof(CopyOp::k_data_strides) == (1 + kMaxPageRank) * sizeof(int64_t));

inline constexpr const char* kMovementNames[] = {"COPY", "GATHER", "SCATTER"};

constexpr uint32_t movement_bit(int movement) noexcept { return 1u << movement; }

inline constexpr uint32_t kAnyMovement = ~0u;
inline constexpr uint32_t kAnyParts = ~0u;
inline constexpr uint32_t kFromPages = movement_bit(BARACUDA_MOVEMENT_COPY) | movement_bit(BARACUDA_MOVEMENT_GATHER);
inline constexpr uint32_t kToPages = movement_bit(BARACUDA_MOVEMENT_COPY) | movement_bit(BARACUDA_MOVEMENT_SCATTER);
inline constexpr uint32_t kByBuffer = movement_bit(BARACUDA_MOVEMENT_GATHER) | movement_bit(BARACUDA_MOVEMENT_SCATTER);

// Indexed by baracuda_copy_operand.
inline constexpr CopyOperand kCopyOperands[BARACUDA_NUM_COPY_OPERANDS] = {
    {"k_data", offsetof(CopyOp, k_data), kAnyMovement, kToPages, kAnyParts},
    {"v_data", offsetof(CopyOp, v_data), kAnyMovement, kToPages, 1u << BARACUDA_PARTS_KEY_AND_VALUE},
    {"source", offsetof(CopyOp, source), kFromPages, 0, kAnyParts},
    {"destination", offsetof(CopyOp, destination), kToPages, 0, kAnyParts},
    {"buffer", offsetof(CopyOp, buffer), kByBuffer, movement_bit(BARACUDA_MOVEMENT_GATHER), kAnyParts},
};

constexpr const char* copy_name_of(int operand) noexcept { return kCopyOperands[operand].name; }

inline bool wants(const CopyOp& op, int operand) noexcept {
  const CopyOperand& row = kCopyOperands[operand];
  return (row.movements >> op.movement & row.parts >> op.parts & 1u) != 0;
}

inline bool writes(const CopyOp& op, int operand) noexcept {
  return wants(op, operand) && (kCopyOperands[operand].written >> op.movement & 1u) != 0;
}

inline void*& pointer_in(CopyOp& op, int operand) noexcept {
  return *reinterpret_cast<void**>(reinterpret_cast<unsigned char*>(&op) + kCopyOperands[operand].member);
}
inline const void* pointer_in(const CopyOp& op, int operand) noexcept {
  return *reinterpret_cast<void* const*>(reinterpret_cast<const unsigned char*>(&op) + kCopyOperands[operand].member);
}

inline bool is_int64(const CopyOp& op, int operand) noexcept { return (op.int64_operands >> operand & 1u) != 0; }

// The caches, as `op` has them, K's and V's alike.
struct CacheMembers {
  int32_t operand;
  int32_t element_bytes;
  const int64_t* page;     // kMaxPageRank extents, 0 behind the last
  const int64_t* strides;  // the page's, and then as many
};

inline CacheMembers cache_in(const CopyOp& op, int part) noexcept {
  if (part == 0) return {BARACUDA_COPY_OPERAND_K_DATA, op.k_element_bytes, op.k_page, op.k_data_strides};
  return {BARACUDA_COPY_OPERAND_V_DATA, op.v_element_bytes, op.v_page, op.v_data_strides};
}

inline int num_parts(const CopyOp& op) noexcept { return op.parts == BARACUDA_PARTS_KEY ? 1 : 2; }

inline int rank_of_page(const int64_t* page) noexcept {
  int rank = 0;
  while (rank < kMaxPageRank && page[rank] != 0) ++rank;
  return rank;
}

// The bytes of a page of a cache.
uint64_t bytes_of_page(const CacheMembers& cache) noexcept;

// The strides of a page that is packed in the order of its dimensions, and its bytes.
int64_t pack_page(const CacheMembers& cache, int64_t* strides) noexcept;

// The strides inside a page of a cache, in bytes, and from page to page; 0 where there is one page.
int64_t strides_of_cache(const CopyOp& op, const CacheMembers& cache, int64_t* strides) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_PAGES_OPERANDS_H_
