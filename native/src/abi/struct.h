// The caller's struct, of whatever size, into one of this library's, and back.
#ifndef BARACUDA_SRC_ABI_STRUCT_H_
#define BARACUDA_SRC_ABI_STRUCT_H_

#include <cstdint>

#include "append/append.h"
#include "pages/copy.h"

namespace baracuda {

int32_t read_struct(const Op* caller, Op* op) noexcept;
int32_t read_struct(const CopyOp* caller, CopyOp* op) noexcept;

// Into a struct that read_struct has accepted; refused where that is too small for what `op` has come to state.
int32_t write_struct(const Op& op, Op* caller) noexcept;
int32_t write_struct(const CopyOp& op, CopyOp* caller) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_ABI_STRUCT_H_
