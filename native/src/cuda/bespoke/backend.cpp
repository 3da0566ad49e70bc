// The bespoke append: guarded, over any strides.
#include "append/append.h"
#include "cuda/bespoke/transforms.h"
#include "cuda/kernels.h"

namespace baracuda::cuda {
namespace {

bool is_copy(const Append& append) { return append.transform == BARACUDA_TRANSFORM_COPY; }

cudaError_t launch(const Append& append) {
  return is_copy(append) ? bespoke::launch_copy(append) : bespoke::launch_quantise(append);
}

cudaError_t load(const Append& append, cudaFuncAttributes* attributes) {
  return is_copy(append) ? bespoke::load_copy(append, attributes) : bespoke::load_quantise(append, attributes);
}

}  // namespace

const Kernels kBespokeKernels = {launch, load};

}  // namespace baracuda::cuda
