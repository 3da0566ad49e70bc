# Holds the text of FlashInfer's kernels against flashinfer-kernel.sha256.
#
# What is hashed is the text from where a declaration begins to the brace that ends it: both kernels, their launchers, and
# the members of paged_kv_t and uint_fastdiv that turn a page, head and slot into an address. Everything else of the
# headers may change.

# name|header|first text|the text that ends it
set(_baracuda_kernel_pieces
    "append_kernel|page.cuh|__global__ void AppendPagedKVCacheDecodeKernel(|\n}\n"
    "append_launcher|page.cuh|cudaError_t AppendPagedKVCacheDecode(|\n}\n"
    "positions_kernel|page.cuh|__global__ void AppendPagedKVCacheKernel(|\n}\n"
    "positions_launcher|page.cuh|cudaError_t AppendPagedKVCache(|\n}\n"
    "constructor|page.cuh|DType* v_data, const int64_t* kv_strides, IdType* indices,|\n  }\n"
    "get_elem_offset|page.cuh|size_t get_elem_offset(|\n  }\n"
    "get_k_ptr|page.cuh|DType* get_k_ptr(|\n  }\n"
    "get_v_ptr|page.cuh|DType* get_v_ptr(|\n  }\n"
    "uint_fastdiv|fastdiv.cuh|struct uint_fastdiv {|\n}  // namespace flashinfer")

# Sets `out` to the SHA-256 of the piece, or to "absent".
function(_baracuda_hash_piece include_dir header first last out)
  file(READ "${include_dir}/flashinfer/${header}" text)
  string(REPLACE "\r\n" "\n" text "${text}")
  set(hash absent)
  string(FIND "${text}" "${first}" begin)
  if(NOT begin EQUAL -1)
    string(SUBSTRING "${text}" ${begin} -1 text)
    string(FIND "${text}" "${last}" length)
    if(NOT length EQUAL -1)
      string(LENGTH "${last}" last_length)
      math(EXPR length "${length} + ${last_length}")
      string(SUBSTRING "${text}" 0 ${length} text)
      string(SHA256 hash "${text}")
    endif()
  endif()
  set(${out} "${hash}" PARENT_SCOPE)
endfunction()

# Stops with what differs unless every piece of the headers in `include_dir` hashes to what `expected_file` says.
function(baracuda_check_flashinfer_kernel include_dir expected_file)
  file(STRINGS "${expected_file}" expected REGEX "^[0-9a-f]+  ")
  set(found "")
  set(different "")
  foreach(piece IN LISTS _baracuda_kernel_pieces)
    string(REPLACE "|" ";" piece "${piece}")
    list(GET piece 0 name)
    list(GET piece 1 header)
    list(GET piece 2 first)
    list(GET piece 3 last)
    _baracuda_hash_piece("${include_dir}" "${header}" "${first}" "${last}" hash)
    list(APPEND found "${hash}  ${name}")
    list(FIND expected "${hash}  ${name}" at)
    if(at EQUAL -1)
      list(APPEND different "${name}")
    endif()
  endforeach()
  if(different)
    list(JOIN different ", " different)
    list(JOIN found "\n    " found)
    message(
      FATAL_ERROR
        "The text of FlashInfer's paged-KV append is not the one that this project was written and tested against.\n"
        "  headers:   ${include_dir}/flashinfer\n"
        "  different: ${different}\n"
        "Use the pinned release (unset FLASHINFER_INCLUDE_DIR, or point it at that release). If the change is "
        "wanted: read the difference, test on a GPU, then write into ${expected_file}:\n    ${found}\n")
  endif()
endfunction()
