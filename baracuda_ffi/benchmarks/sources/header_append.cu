// FlashInfer's header called directly, as somebody with a CUDA compiler would: no checks, no library of ours.
#include <cstdint>
#include <flashinfer/page.cuh>

namespace {

template <typename T>
int append(int batch, int page_size, int heads, int head_dim, int is_nhd, void* k_data, void* v_data, void* indices,
           void* indptr, void* last_page_len, void* key, void* value, void* stream) {
  flashinfer::paged_kv_t<T, int32_t> cache(
      heads, page_size, head_dim, batch, is_nhd ? flashinfer::QKVLayout::kNHD : flashinfer::QKVLayout::kHND,
      static_cast<T*>(k_data), static_cast<T*>(v_data), static_cast<int32_t*>(indices), static_cast<int32_t*>(indptr),
      static_cast<int32_t*>(last_page_len));
  return static_cast<int>(flashinfer::AppendPagedKVCacheDecode(cache, static_cast<T*>(key), static_cast<T*>(value),
                                                               static_cast<cudaStream_t>(stream)));
}

}  // namespace

// last_page_len counts the new token too. Returns a cudaError_t.
extern "C" int bench_header_append(int item_size, int batch, int page_size, int heads, int head_dim, int is_nhd,
                                   void* k_data, void* v_data, void* indices, void* indptr, void* last_page_len,
                                   void* key, void* value, void* stream) {
  switch (item_size) {
    case 1:
      return append<uint8_t>(batch, page_size, heads, head_dim, is_nhd, k_data, v_data, indices, indptr, last_page_len,
                             key, value, stream);
    case 2:
      return append<half>(batch, page_size, heads, head_dim, is_nhd, k_data, v_data, indices, indptr, last_page_len,
                          key, value, stream);
    case 4:
      return append<float>(batch, page_size, heads, head_dim, is_nhd, k_data, v_data, indices, indptr, last_page_len,
                           key, value, stream);
    default:
      return -1;
  }
}
