// The general entry points: read the struct, check it, hand it to its backend.
#include "append/problem.h"
#include "append/run.h"
#include "append/status.h"

namespace baracuda {

namespace {

int32_t check_page_table(const Append& op) {
  return is_guarded(op) ? BARACUDA_OK : find_backend(op.backend)->check_page_table(op);
}

}  // namespace

int32_t check_append(const Append& op) {
  BARACUDA_TRY(check_problem(op));
  BARACUDA_TRY(check_operands(op));
  return check_page_table(op);
}

int32_t run_append(const Append& op) {
  BARACUDA_TRY(check_append(op));
  return find_backend(op.backend)->launch(op);
}

int32_t run_bound_append(const Append& op) {
  BARACUDA_TRY(check_page_table(op));
  return find_backend(op.backend)->launch(op);
}

}  // namespace baracuda

using baracuda::Append;

extern "C" int32_t baracuda_paged_kv_append_run(const baracuda_paged_kv_append* op) {
  return baracuda::at_the_abi("baracuda_paged_kv_append_run", [&]() -> int32_t {
    Append read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    return baracuda::run_append(read);
  });
}

extern "C" int32_t baracuda_paged_kv_append_can_implement(const baracuda_paged_kv_append* op) {
  return baracuda::at_the_abi("baracuda_paged_kv_append_can_implement", [&]() -> int32_t {
    Append read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    const bool states_operands = read.k_data != nullptr || read.v_data != nullptr || read.key != nullptr ||
                                 read.value != nullptr || read.indices != nullptr || read.indptr != nullptr ||
                                 read.last_page_len != nullptr;
    return states_operands ? baracuda::check_append(read) : baracuda::check_problem(read);
  });
}

extern "C" int32_t baracuda_paged_kv_append_preload(const baracuda_paged_kv_append* op, int32_t* arch) {
  return baracuda::at_the_abi("baracuda_paged_kv_append_preload", [&]() -> int32_t {
    Append read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    BARACUDA_TRY(baracuda::check_problem(read));
    int32_t loaded = 0;
    BARACUDA_TRY(baracuda::find_backend(read.backend)->preload(read, &loaded));
    if (arch != nullptr) *arch = loaded;
    return BARACUDA_OK;
  });
}
