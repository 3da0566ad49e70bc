// SPDX-License-Identifier: MIT
//
// One decode step for two requests in the NHD layout, with the page table that FlashInfer's attention takes
// (AFTER_APPEND: the lengths count the new token), and failures as exceptions.
#include <baracuda_ffi.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../gpu.h"

namespace {

constexpr int kBatch = 2, kPages = 3, kPageSize = 4, kHeads = 2, kHeadDim = 64, kRow = kHeads * kHeadDim;

struct Operands {
  std::vector<float> k_data, v_data, key, value;
  std::vector<std::int32_t> indices, indptr, last_page_len;
};

std::vector<float> counting(int size, float first) {
  std::vector<float> values(static_cast<std::size_t>(size));
  std::generate(values.begin(), values.end(), [&first] { return first++; });
  return values;
}

// Request 0 has 6 tokens with the new one, in pages 2 and 0; request 1 has 4, in page 1.
Operands make_operands() {
  constexpr int kCache = kPages * kPageSize * kRow;
  return {counting(kCache, 0),
          counting(kCache, 10000),
          counting(kBatch * kRow, 20000),
          counting(kBatch * kRow, 30000),
          {2, 0, 1},
          {0, 2, 3},
          {2, 4}};
}

// By hand: in NHD all heads of a token lie together.
std::vector<float> expect(std::vector<float> cache, const std::vector<float>& rows) {
  std::copy_n(rows.begin(), kRow, cache.begin() + (0 * kPageSize + 1) * kRow);
  std::copy_n(rows.begin() + kRow, kRow, cache.begin() + (1 * kPageSize + 3) * kRow);
  return cache;
}

struct Pointers {
  void *k_data, *v_data;
  const void *key, *value;
  const std::int32_t *indices, *indptr, *last_page_len;
};

void append(std::int32_t backend, const Pointers& pointers, void* stream) {
  baracuda_paged_kv_append op{};
  op.struct_size = sizeof op;
  op.backend = backend;
  op.element = BARACUDA_ELEMENT_F32;
  op.layout = BARACUDA_LAYOUT_NHD;
  op.length_convention = BARACUDA_AFTER_APPEND;
  op.batch_size = kBatch;
  op.page_size = kPageSize;
  op.num_heads = kHeads;
  op.head_dim = kHeadDim;
  op.num_total_pages = kPages;
  op.total_used_pages = 3;
  op.k_data = pointers.k_data;
  op.v_data = pointers.v_data;
  op.key = pointers.key;
  op.value = pointers.value;
  op.indices = pointers.indices;
  op.indptr = pointers.indptr;
  op.last_page_len = pointers.last_page_len;
  op.stream = stream;
  if (const std::int32_t status = baracuda_paged_kv_append_run(&op); status != BARACUDA_OK)
    throw std::runtime_error(std::string(baracuda_status_name(status)) + ": " + baracuda_last_error_message());
}

void append_on_host(Operands& o) {
  append(BARACUDA_BACKEND_HOST,
         {o.k_data.data(), o.v_data.data(), o.key.data(), o.value.data(), o.indices.data(), o.indptr.data(),
          o.last_page_len.data()},
         nullptr);
}

template <typename T>
T* to_gpu(const std::vector<T>& values) {
  return static_cast<T*>(gpu_copy_in(values.data(), values.size() * sizeof(T)));
}

template <typename T>
void from_gpu(std::vector<T>& values, T* on_gpu) {
  gpu_copy_out(values.data(), on_gpu, values.size() * sizeof(T));
}

void append_on_gpu(Operands& o) {
  void* const stream = gpu_stream();
  float *const k_data = to_gpu(o.k_data), *const v_data = to_gpu(o.v_data);
  append(BARACUDA_BACKEND_FLASHINFER,
         {k_data, v_data, to_gpu(o.key), to_gpu(o.value), to_gpu(o.indices), to_gpu(o.indptr), to_gpu(o.last_page_len)},
         stream);
  gpu_wait(stream);
  from_gpu(o.k_data, k_data);
  from_gpu(o.v_data, v_data);
}

template <typename Append>
bool check(const char* backend, Append&& append_to) {
  const Operands before = make_operands();
  Operands got = before;
  append_to(got);
  const bool right = got.k_data == expect(before.k_data, before.key) &&
                     got.v_data == expect(before.v_data, before.value) && got.last_page_len == before.last_page_len;
  std::cout << backend << ": " << (right ? "every byte as expected" : "WRONG BYTES") << '\n';
  return right;
}

}  // namespace

int main() try {
  bool right = check("host", append_on_host);
  if (gpu_open())
    right = check("flashinfer", append_on_gpu) && right;
  else
    std::cout << "flashinfer: no GPU here\n";
  return right ? 0 : 1;
} catch (const std::exception& error) {
  std::cout << error.what() << '\n';
  return 1;
}
