#include "host/formats/row_writers.h"

namespace baracuda::host {

const WayToWrite& best_way() noexcept {
  if (const WayToWrite* const way = avx512_way()) return *way;
  if (const WayToWrite* const way = avx2_way()) return *way;
  if (const WayToWrite* const way = neon_way()) return *way;
  return *portable_way();
}

}  // namespace baracuda::host
