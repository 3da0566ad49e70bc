/* A library without CUDA judges an append for FlashInfer as any other does, and refuses only to launch it. */
#include <baracuda_ffi.h>
#include <stdio.h>

int main(void) {
  static _Alignas(16) float k_data[64], v_data[64], key[64], value[64];
  static int32_t indices[1], indptr[2] = {0, 1}, last_page_len[1];
  const int32_t possible = baracuda_kernels_flashinfer_paged_kv_append_decode_f32_can_implement(1, 1, 1, 64);
  const int32_t impossible = baracuda_kernels_flashinfer_paged_kv_append_decode_f32_can_implement(0, 1, 1, 64);
  const int32_t ran = baracuda_kernels_flashinfer_paged_kv_append_decode_f32_run(
      1, 1, 1, 64, k_data, v_data, indices, indptr, last_page_len, key, value, NULL);
  printf("can_implement: %d, with no batch: %d; run: %d (%s)\n", possible, impossible, ran,
         baracuda_last_error_message());
  return possible == BARACUDA_OK && impossible == BARACUDA_INVALID_PROBLEM && ran == BARACUDA_UNSUPPORTED ? 0 : 1;
}
