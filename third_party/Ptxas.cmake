# Fetches the assemblers whose machine code drivers of CUDA 12 load. They run in the build, on the machine that builds, and are
# no part of what is built.
set(_baracuda_ptxas_pins "${CMAKE_CURRENT_LIST_DIR}")

# Sets `out` to the path of ptxas of CUDA `version`, one of those pinned beside this file, downloaded by pip and checked against its hash.
function(baracuda_fetch_ptxas version out)
  set(dir "${CMAKE_BINARY_DIR}/ptxas-${version}")
  set(program "${dir}/nvidia/cuda_nvcc/bin/ptxas")
  if(NOT EXISTS "${program}")
    set(pin "${_baracuda_ptxas_pins}/ptxas-${version}-requirements.txt")
    message(STATUS "ptxas of CUDA ${version}: downloading it with pip")
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all:
              --platform "manylinux2014_${CMAKE_HOST_SYSTEM_PROCESSOR}" --require-hashes --requirement "${pin}" --dest "${dir}"
      RESULT_VARIABLE status
      ERROR_VARIABLE pip_error)
    file(GLOB wheel "${dir}/nvidia_cuda_nvcc_cu12-*.whl")
    if(NOT status EQUAL 0 OR NOT wheel)
      message(FATAL_ERROR "BARACUDA_FFI_CUDA12_DRIVERS is ON, and what ${pin} names could not be downloaded.\n"
                          "${Python_EXECUTABLE} -m pip download said:\n${pip_error}")
    endif()
    file(ARCHIVE_EXTRACT INPUT "${wheel}" DESTINATION "${dir}" PATTERNS "*/bin/ptxas")
    file(CHMOD "${program}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
    file(REMOVE "${wheel}")
  endif()
  set(${out} "${program}" PARENT_SCOPE)
endfunction()
