#include "host/formats/row_writers.h"

// Every 64-bit Arm has it, and so nothing is asked when it runs.
#if defined(__GNUC__) && defined(__AARCH64EL__) && defined(__ARM_NEON)

// clang-format off: the operations, and then what is made of them.
#include "host/formats/neon.h"
#include "host/formats/vector_rows.h"
// clang-format on

namespace baracuda::host {

const WayToWrite* neon_way() noexcept { return &neon::kWay; }

}  // namespace baracuda::host

#else

namespace baracuda::host {

const WayToWrite* neon_way() noexcept { return nullptr; }

}  // namespace baracuda::host

#endif
