// The fence that every exported function that works stands behind: nothing is thrown through it.
#ifndef BARACUDA_SRC_BASE_FENCE_H_
#define BARACUDA_SRC_BASE_FENCE_H_

#include <cstdint>
#include <exception>

#include "base/status.h"

namespace baracuda {

// Runs the body of an exported function. What it throws (FlashInfer's headers do) ends here as a status.
template <typename Body>
int32_t at_the_abi(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::exception& error) {
    return fail(BARACUDA_UNSUPPORTED, "inside the library: %s", error.what());
  } catch (...) {
    return fail(BARACUDA_UNSUPPORTED, "inside the library: an exception of an unknown type");
  }
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_BASE_FENCE_H_
