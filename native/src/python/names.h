// The names by which a call gives what it has.
#ifndef BARACUDA_SRC_PYTHON_NAMES_H_
#define BARACUDA_SRC_PYTHON_NAMES_H_

#include <cstddef>
#include <cstdint>

#include "python/accelerator.h"

namespace baracuda::python {

// Which of baracuda_python_api's names an object is: by its address, since a keyword is the interned string itself.
class Names {
 public:
  explicit Names(void* const* given) noexcept {
    for (int8_t& number : numbers_) number = kNone;
    for (int i = 0; i < BARACUDA_PRIVATE_NAMES; ++i) {
      names_[i] = given[i];
      size_t place = place_of(given[i]);
      while (numbers_[place] != kNone) place = next(place);
      numbers_[place] = static_cast<int8_t>(i);
    }
  }

  // -1 for what is none.
  int find(const void* object) const noexcept {
    size_t place = place_of(object);
    while (numbers_[place] != kNone && names_[numbers_[place]] != object) place = next(place);
    return numbers_[place];
  }

 private:
  static constexpr int8_t kNone = -1;
  static constexpr size_t kPlaces = 128;  // four times the names: most are found where they are looked for first
  static_assert(kPlaces > BARACUDA_PRIVATE_NAMES, "a search ends where there is none");

  // Objects are aligned to 16 bytes.
  static size_t place_of(const void* object) noexcept {
    const auto address = reinterpret_cast<uintptr_t>(object) >> 4;
    return (address ^ address >> 7) % kPlaces;
  }
  static size_t next(size_t place) noexcept { return (place + 1) % kPlaces; }

  const void* names_[BARACUDA_PRIVATE_NAMES];
  int8_t numbers_[kPlaces];
};

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_NAMES_H_
