#include "host/formats/row_writers.h"

#if defined(__GNUC__) && defined(__SSE2__)

// clang-format off: the operations, and then what is made of them.
#include "host/formats/avx2.h"
#include "host/formats/vector_rows.h"
// clang-format on

namespace baracuda::host {

const WayToWrite* avx2_way() noexcept { return avx2::is_supported() ? &avx2::kWay : nullptr; }

}  // namespace baracuda::host

#else

namespace baracuda::host {

const WayToWrite* avx2_way() noexcept { return nullptr; }

}  // namespace baracuda::host

#endif
