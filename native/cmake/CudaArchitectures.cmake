# Which GPUs the library holds machine code for.

# Sets `out` to the default list for CMAKE_CUDA_ARCHITECTURES: machine code for every architecture of ours that the
# compiler knows, and PTX for the oldest. PTX of the oldest serves all the GPUs in between and after; PTX of the newest
# would leave out those between (sm_110).
function(baracuda_default_cuda_architectures out)
  set(architectures 80 86-real 89-real 90-real)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
    list(APPEND architectures 100-real 120-real)
  endif()
  set(${out} "${architectures}" PARENT_SCOPE)
endfunction()

# Splits CMAKE_CUDA_ARCHITECTURES (NN is both kinds, NN-real, NN-virtual, or a group that CMake names) into the
# comma-separated numbers that baracuda_ffi_build_info tells.
function(baracuda_describe_cuda_architectures out_real out_ptx)
  set(architectures "${CMAKE_CUDA_ARCHITECTURES}")
  foreach(group all all-major native)
    string(TOUPPER "${group}" suffix)
    string(REPLACE "-" "_" suffix "${suffix}")
    if(architectures STREQUAL group AND DEFINED CMAKE_CUDA_ARCHITECTURES_${suffix})
      set(architectures "${CMAKE_CUDA_ARCHITECTURES_${suffix}}")
    endif()
  endforeach()
  set(real ${architectures})
  list(FILTER real EXCLUDE REGEX "-virtual$")
  set(ptx ${architectures})
  list(FILTER ptx EXCLUDE REGEX "-real$")
  list(TRANSFORM real REPLACE "-real$" "")
  list(TRANSFORM ptx REPLACE "-virtual$" "")
  list(JOIN real "," real)
  list(JOIN ptx "," ptx)
  set(${out_real} "${real}" PARENT_SCOPE)
  set(${out_ptx} "${ptx}" PARENT_SCOPE)
endfunction()
