// The table of element types of baracuda_ffi.h, as the library reads it.
#ifndef BARACUDA_SRC_BASE_ELEMENT_H_
#define BARACUDA_SRC_BASE_ELEMENT_H_

#include <cstdint>

#include "baracuda_ffi.h"

namespace baracuda {

struct Element {
  int32_t value;  // baracuda_element
  const char* name;
  uint8_t dlpack_code;
  uint8_t bits;
  bool is_mirrored;  // has symbols of its own

  constexpr uint32_t bytes() const { return bits / 8u; }
  constexpr bool is_fp8() const { return value == BARACUDA_ELEMENT_FP8_E4M3 || value == BARACUDA_ELEMENT_FP8_E5M2; }
};

constexpr bool is_mirrored(int32_t value) noexcept {
  switch (value) {
#define BARACUDA_CASE(ENUM, name, value, dlpack_code, bits) case value:
    BARACUDA_FOR_EACH_MIRRORED_ELEMENT(BARACUDA_CASE)
#undef BARACUDA_CASE
    return true;
    default:
      return false;
  }
}

inline constexpr Element kElements[] = {
#define BARACUDA_ROW(ENUM, name, value, dlpack_code, bits) {value, #name, dlpack_code, bits, is_mirrored(value)},
    BARACUDA_FOR_EACH_ELEMENT(BARACUDA_ROW)
#undef BARACUDA_ROW
};

inline constexpr int32_t kNumElements = sizeof(kElements) / sizeof(kElements[0]);

constexpr bool elements_are_in_order() noexcept {
  for (int32_t i = 0; i < kNumElements; ++i)
    if (kElements[i].value != i + 1) return false;
  return true;
}
static_assert(elements_are_in_order(), "find_element goes by the value");

// nullptr for a value that is not in the table.
constexpr const Element* find_element(int32_t value) noexcept {
  return value >= 1 && value <= kNumElements ? &kElements[value - 1] : nullptr;
}

// nullptr for a type that is not in the table.
constexpr const Element* find_element(uint8_t dlpack_code, uint8_t bits) noexcept {
  for (const Element& element : kElements)
    if (element.dlpack_code == dlpack_code && element.bits == bits) return &element;
  return nullptr;
}

// In messages.
constexpr const char* element_name(int32_t value) noexcept {
  const Element* const element = find_element(value);
  return element != nullptr ? element->name : "no type";
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_BASE_ELEMENT_H_
