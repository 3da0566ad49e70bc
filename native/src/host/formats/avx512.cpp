#include "host/formats/row_writers.h"

#if defined(__GNUC__) && defined(__SSE2__)

// clang-format off: the operations, and then what is made of them.
#include "host/formats/avx512.h"
#include "host/formats/vector_rows.h"
// clang-format on

namespace baracuda::host {

const WayToWrite* avx512_way() noexcept { return avx512::is_supported() ? &avx512::kWay : nullptr; }

}  // namespace baracuda::host

#else

namespace baracuda::host {

const WayToWrite* avx512_way() noexcept { return nullptr; }

}  // namespace baracuda::host

#endif
