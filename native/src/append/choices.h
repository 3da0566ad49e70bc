// The names of the choices that say which append it is, for messages. Indexed by what the header's enumerators are.
#ifndef BARACUDA_SRC_APPEND_CHOICES_H_
#define BARACUDA_SRC_APPEND_CHOICES_H_

#include "baracuda_ffi.h"

namespace baracuda {

inline constexpr const char* kAddressingNames[] = {"LAST_PAGE", "RAGGED", "POSITIONS", "SLOTS"};
inline constexpr const char* kTableNames[] = {"CSR", "DENSE"};
inline constexpr const char* kLengthsNames[] = {"LAST_PAGE_LEN", "SEQ_LENS"};
inline constexpr const char* kPartsNames[] = {"KEY_AND_VALUE", "KEY"};

template <typename Name, int kCount>
constexpr int count_of(Name (&)[kCount]) noexcept {
  return kCount;
}
static_assert(count_of(kAddressingNames) == BARACUDA_ADDRESSING_SLOTS + 1, "one name for each");
static_assert(count_of(kTableNames) == BARACUDA_TABLE_DENSE + 1, "one name for each");
static_assert(count_of(kLengthsNames) == BARACUDA_LENGTHS_SEQ_LENS + 1, "one name for each");
static_assert(count_of(kPartsNames) == BARACUDA_PARTS_KEY + 1, "one name for each");

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_CHOICES_H_
