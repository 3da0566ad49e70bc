// The table of operands: for each its name, its member of the C struct, the rules for its shape and type, whether it is
// written, and which appends want it. Checks, messages and the binding of tensors follow from it.
#ifndef BARACUDA_SRC_APPEND_OPERANDS_H_
#define BARACUDA_SRC_APPEND_OPERANDS_H_

#include <cstddef>
#include <cstdint>

#include "append/append.h"
#include "baracuda_ffi.h"
#include "base/hints.h"
#include "memory/tensor.h"

namespace baracuda {

// BARACUDA_NUM_OPERANDS of them, indexed by baracuda_operand; nullptr where what an append has stays, or where it wants
// none.
using Operands = const Tensor* const*;

enum class Shape {
  kRows,            // [n or more, H, D], or [n or more, D]
  kCache,           // [pages, H, P, D] by the layout, or [pages, P, D]
  kPageIds,         // [any]
  kPerRequest,      // [B]
  kPerRequestAnd1,  // [B + 1]
  kPerRow,          // [n]
  kBlockTable,      // [B or more, any]
  kScale,           // [1] or [H], or without dimensions
  kScales           // [pages, P, H], or [pages, P]; of NVFP4 as the cache, with D / 16 for D
};

enum class Type {
  kSource,
  kCache,
  kIndex,
  kF32,
  kScales  // f32; of NVFP4 e4m3, or its bytes
};

// Which appends want an operand: those whose every choice has its bit here.
struct Wanted {
  uint32_t addressings;
  uint32_t tables;
  uint32_t lengths;
  uint32_t transforms;
  uint32_t parts;
};

constexpr uint32_t bit(int choice) noexcept { return 1u << choice; }

inline constexpr uint32_t kAny = ~0u;
inline constexpr uint32_t kByRequest = bit(BARACUDA_ADDRESSING_LAST_PAGE) | bit(BARACUDA_ADDRESSING_RAGGED);
inline constexpr uint32_t kByTable = kByRequest | bit(BARACUDA_ADDRESSING_POSITIONS);
inline constexpr uint32_t kBoth = bit(BARACUDA_PARTS_KEY_AND_VALUE);
inline constexpr uint32_t kScaled = bit(BARACUDA_TRANSFORM_FP8) | bit(BARACUDA_TRANSFORM_NVFP4);
inline constexpr uint32_t kOneCache = bit(BARACUDA_TRANSFORM_FP8_DS_MLA);
inline constexpr uint32_t kScaling = bit(BARACUDA_TRANSFORM_PER_TOKEN_HEAD) | bit(BARACUDA_TRANSFORM_NVFP4);

struct Operand {
  const char* name;
  size_t member;  // offset of its pointer in the C struct
  Shape shape;
  Type type;
  bool written;
  int part;  // 0: key's, 1: value's, -1: neither's
  Wanted wanted;
};

// Indexed by baracuda_operand.
inline constexpr Operand kOperands[BARACUDA_NUM_OPERANDS] = {
    {"key", offsetof(Op, key), Shape::kRows, Type::kSource, false, 0, {kAny, kAny, kAny, kAny, kAny}},
    {"value", offsetof(Op, value), Shape::kRows, Type::kSource, false, 1, {kAny, kAny, kAny, kAny, kBoth}},
    {"k_data", offsetof(Op, k_data), Shape::kCache, Type::kCache, true, 0, {kAny, kAny, kAny, kAny, kAny}},
    {"v_data", offsetof(Op, v_data), Shape::kCache, Type::kCache, true, 1, {kAny, kAny, kAny, ~kOneCache, kBoth}},
    {"indices",
     offsetof(Op, indices),
     Shape::kPageIds,
     Type::kIndex,
     false,
     -1,
     {kByTable, bit(BARACUDA_TABLE_CSR), kAny, kAny, kAny}},
    {"indptr",
     offsetof(Op, indptr),
     Shape::kPerRequestAnd1,
     Type::kIndex,
     false,
     -1,
     {kByTable, bit(BARACUDA_TABLE_CSR), kAny, kAny, kAny}},
    {"last_page_len",
     offsetof(Op, last_page_len),
     Shape::kPerRequest,
     Type::kIndex,
     false,
     -1,
     {kByRequest, bit(BARACUDA_TABLE_CSR), bit(BARACUDA_LENGTHS_LAST_PAGE_LEN), kAny, kAny}},
    {"append_indptr",
     offsetof(Op, append_indptr),
     Shape::kPerRequestAnd1,
     Type::kIndex,
     false,
     -1,
     {bit(BARACUDA_ADDRESSING_RAGGED), kAny, kAny, kAny, kAny}},
    {"batch_indices",
     offsetof(Op, batch_indices),
     Shape::kPerRow,
     Type::kIndex,
     false,
     -1,
     {bit(BARACUDA_ADDRESSING_POSITIONS), kAny, kAny, kAny, kAny}},
    {"positions",
     offsetof(Op, positions),
     Shape::kPerRow,
     Type::kIndex,
     false,
     -1,
     {bit(BARACUDA_ADDRESSING_POSITIONS), kAny, kAny, kAny, kAny}},
    {"slot_mapping",
     offsetof(Op, slot_mapping),
     Shape::kPerRow,
     Type::kIndex,
     false,
     -1,
     {bit(BARACUDA_ADDRESSING_SLOTS), kAny, kAny, kAny, kAny}},
    {"block_table",
     offsetof(Op, block_table),
     Shape::kBlockTable,
     Type::kIndex,
     false,
     -1,
     {kByRequest, bit(BARACUDA_TABLE_DENSE), kAny, kAny, kAny}},
    {"seq_lens",
     offsetof(Op, seq_lens),
     Shape::kPerRequest,
     Type::kIndex,
     false,
     -1,
     {kByRequest, kAny, bit(BARACUDA_LENGTHS_SEQ_LENS), kAny, kAny}},
    {"k_scale", offsetof(Op, k_scale), Shape::kScale, Type::kF32, false, 0, {kAny, kAny, kAny, kScaled, kAny}},
    {"v_scale", offsetof(Op, v_scale), Shape::kScale, Type::kF32, false, 1, {kAny, kAny, kAny, kScaled, kBoth}},
    {"k_scales", offsetof(Op, k_scales), Shape::kScales, Type::kScales, true, 0, {kAny, kAny, kAny, kScaling, kAny}},
    {"v_scales", offsetof(Op, v_scales), Shape::kScales, Type::kScales, true, 1, {kAny, kAny, kAny, kScaling, kBoth}},
};

constexpr const char* name_of(int operand) noexcept { return kOperands[operand].name; }

// The operands that an append wants, as bits. The struct's choices are ones that this library knows.
constexpr uint32_t wanted_by(int addressing, int table, int lengths, int transform, int parts) noexcept {
  uint32_t wanted = 0;
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    const Wanted& by = kOperands[i].wanted;
    const uint32_t every = by.addressings >> addressing & by.tables >> table & by.lengths >> lengths &
                           by.transforms >> transform & by.parts >> parts & 1u;
    wanted |= every << i;
  }
  return wanted;
}

// That of every append, worked out once: a call asks more than once, and an answer takes as long as its other checks.
struct WantedOperands {
  uint32_t by[BARACUDA_TRANSFORM_NVFP4 + 1][BARACUDA_ADDRESSING_SLOTS + 1][BARACUDA_TABLE_DENSE + 1]
             [BARACUDA_LENGTHS_SEQ_LENS + 1][BARACUDA_PARTS_KEY + 1];
};

constexpr WantedOperands work_out_wanted() noexcept {
  WantedOperands wanted = {};
  for (int transform = 0; transform <= BARACUDA_TRANSFORM_NVFP4; ++transform)
    for (int addressing = 0; addressing <= BARACUDA_ADDRESSING_SLOTS; ++addressing)
      for (int table = 0; table <= BARACUDA_TABLE_DENSE; ++table)
        for (int lengths = 0; lengths <= BARACUDA_LENGTHS_SEQ_LENS; ++lengths)
          for (int parts = 0; parts <= BARACUDA_PARTS_KEY; ++parts)
            wanted.by[transform][addressing][table][lengths][parts] =
                wanted_by(addressing, table, lengths, transform, parts);
  return wanted;
}

inline constexpr WantedOperands kWanted = work_out_wanted();

inline uint32_t wanted_operands(const Op& op) noexcept {
  return kWanted.by[op.transform][op.addressing][op.table][op.lengths][op.parts];
}

// The first operand of a set that is not empty.
inline int lowest_bit(uint32_t set) noexcept {
#if defined(__GNUC__)
  return __builtin_ctz(set);
#else
  int bit = 0;
  while ((set >> bit & 1u) == 0) ++bit;
  return bit;
#endif
}

inline bool wants(uint32_t wanted, int operand) noexcept { return (wanted >> operand & 1u) != 0; }

// Whether the entries of an operand are int64.
inline bool is_int64(const Op& op, int operand) noexcept { return (op.int64_operands >> operand & 1u) != 0; }

// Kinds of operands.
constexpr bool is_any(const Operand&) noexcept { return true; }
constexpr bool lies_by_strides(const Operand& operand) noexcept {
  return operand.shape == Shape::kRows || operand.shape == Shape::kCache;
}
constexpr bool says_places(const Operand& operand) noexcept { return operand.type == Type::kIndex; }
constexpr bool is_scale(const Operand& operand) noexcept {
  return operand.shape == Shape::kScale || operand.shape == Shape::kScales;
}

// The operands of a kind, as bits.
template <bool (*kIsOfKind)(const Operand&)>
constexpr uint32_t operands_of_kind() noexcept {
  uint32_t operands = 0;
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) operands |= (kIsOfKind(kOperands[i]) ? 1u : 0u) << i;
  return operands;
}

// Calls `visit` for each of the operands of a kind that are in a set, in order, up to the first that it refuses.
template <bool (*kIsOfKind)(const Operand&) = is_any, typename Visit>
BARACUDA_ALWAYS_INLINE int32_t visit_operands(uint32_t set, const Visit& visit) noexcept {
  for (uint32_t left = set & operands_of_kind<kIsOfKind>(); left != 0; left &= left - 1) {
    const int32_t status = visit(lowest_bit(left));
    if (!BARACUDA_LIKELY(status == BARACUDA_OK)) return status;
  }
  return BARACUDA_OK;
}

// The operands that there are, as bits.
inline uint32_t given_operands(Operands operands) noexcept {
  uint32_t given = 0;
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) given |= (operands[i] != nullptr ? 1u : 0u) << i;
  return given;
}

// What `op` has of an operand.
inline void*& pointer_in(Op& op, int operand) noexcept {
  return *reinterpret_cast<void**>(reinterpret_cast<unsigned char*>(&op) + kOperands[operand].member);
}
inline const void* pointer_in(const Op& op, int operand) noexcept {
  return *reinterpret_cast<void* const*>(reinterpret_cast<const unsigned char*>(&op) + kOperands[operand].member);
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_OPERANDS_H_
