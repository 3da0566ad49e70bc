// The least that an append as a torch operator can cost: it takes the seven tensors and launches, and checks nothing.
#include <torch/library.h>

#ifdef BENCH_WITH_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace {

using Run = int32_t (*)(int32_t, int32_t, int32_t, int32_t, void*, void*, void*, void*, void*, const void*, const void*,
                        void*);
Run g_run = nullptr;

// The address of the library's f16 function for HND caches.
void set_run(int64_t address) { g_run = reinterpret_cast<Run>(address); }

void append_on(void* stream, const at::Tensor& key, const at::Tensor& value, const at::Tensor& k_data,
               const at::Tensor& v_data, const at::Tensor& indices, const at::Tensor& indptr,
               const at::Tensor& last_page_len) {
  const int32_t status =
      g_run(static_cast<int32_t>(key.size(0)), static_cast<int32_t>(k_data.size(2)), static_cast<int32_t>(key.size(1)),
            static_cast<int32_t>(key.size(2)), k_data.data_ptr(), v_data.data_ptr(), indices.data_ptr(),
            indptr.data_ptr(), last_page_len.data_ptr(), key.data_ptr(), value.data_ptr(), stream);
  TORCH_CHECK(status == 0, "status ", status);
}

void append_host(const at::Tensor& key, const at::Tensor& value, const at::Tensor& k_data, const at::Tensor& v_data,
                 const at::Tensor& indices, const at::Tensor& indptr, const at::Tensor& last_page_len) {
  append_on(nullptr, key, value, k_data, v_data, indices, indptr, last_page_len);
}

#ifdef BENCH_WITH_CUDA
void append_cuda(const at::Tensor& key, const at::Tensor& value, const at::Tensor& k_data, const at::Tensor& v_data,
                 const at::Tensor& indices, const at::Tensor& indptr, const at::Tensor& last_page_len) {
  const c10::cuda::OptionalCUDAGuard guard(key.device());
  append_on(c10::cuda::getCurrentCUDAStream().stream(), key, value, k_data, v_data, indices, indptr, last_page_len);
}
#endif

}  // namespace

TORCH_LIBRARY(baracuda_bench, library) {
  library.def("set_run(int address) -> ()", &set_run);
  library.def(
      "append(Tensor key, Tensor value, Tensor(a!) k_data, Tensor(b!) v_data, Tensor indices, Tensor indptr, "
      "Tensor last_page_len) -> ()");
}

TORCH_LIBRARY_IMPL(baracuda_bench, CPU, library) { library.impl("append", &append_host); }

#ifdef BENCH_WITH_CUDA
TORCH_LIBRARY_IMPL(baracuda_bench, CUDA, library) { library.impl("append", &append_cuda); }
#endif
