// How a row of key or value becomes what a cache holds of it, where that is not a copy: the rules of native/src/format
// over a whole row, once in plain C++ and once for each set of vector instructions. All write the same bytes.
#ifndef BARACUDA_SRC_HOST_FORMATS_ROW_WRITERS_H_
#define BARACUDA_SRC_HOST_FORMATS_ROW_WRITERS_H_

#include <cstddef>
#include <cstdint>

namespace baracuda::host {

// Writes what `elements` elements from `from` become, to `to`, which does not overlap them, and the scales that it
// works out, if it does, to `scales`. `scale` is the one that is given; what takes none does not look at it. No address
// has to be aligned. The calling thread is in the default rounding and denormal mode (float_mode.h).
using WriteRow = void (*)(const unsigned char* from, size_t elements, float scale, unsigned char* to,
                          unsigned char* scales) noexcept;

// Of rows of one type.
struct RowWriters {
  WriteRow fp8_e4m3;
  WriteRow fp8_e5m2;
  WriteRow token_head_e4m3;  // one f32 scale a row
  WriteRow token_head_int8;
  WriteRow ds_mla;  // whole tiles of kDsMlaTile elements, an f32 scale each
  WriteRow nvfp4;   // whole blocks of kNvfp4Block elements, an e4m3 scale each
};

// One way to write rows, for every type that they may have.
struct WayToWrite {
  RowWriters f16;
  RowWriters bf16;
  RowWriters f32;
};

// nullptr where this build, or the CPU that it runs on, does not have the instructions.
const WayToWrite* portable_way() noexcept;
const WayToWrite* avx2_way() noexcept;
const WayToWrite* avx512_way() noexcept;
const WayToWrite* neon_way() noexcept;

// The fastest that this CPU has.
const WayToWrite& best_way() noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_FORMATS_ROW_WRITERS_H_
