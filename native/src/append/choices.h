// The names of the choices that say which append it is, for messages.
#ifndef BARACUDA_SRC_APPEND_CHOICES_H_
#define BARACUDA_SRC_APPEND_CHOICES_H_

#include <cstdint>

#include "baracuda_ffi.h"

namespace baracuda {

// By what the header's enumerators are.
template <int kCount>
struct Names {
  const char* names[kCount];

  constexpr const char* of(int32_t choice) const noexcept {
    return choice >= 0 && choice < kCount ? names[choice] : "unknown";
  }
};

inline constexpr Names<BARACUDA_ADDRESSING_SLOTS + 1> kAddressingNames = {
    {"LAST_PAGE", "RAGGED", "POSITIONS", "SLOTS"}};
inline constexpr Names<BARACUDA_TABLE_DENSE + 1> kTableNames = {{"CSR", "DENSE"}};
inline constexpr Names<BARACUDA_LENGTHS_SEQ_LENS + 1> kLengthsNames = {{"LAST_PAGE_LEN", "SEQ_LENS"}};
inline constexpr Names<BARACUDA_PARTS_KEY + 1> kPartsNames = {{"KEY_AND_VALUE", "KEY"}};

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_CHOICES_H_
