# Finds a working CUDA compiler for BARACUDA_FFI_CUDA = AUTO, ON or OFF.
#
# Leaves BARACUDA_WITH_CUDA, and BARACUDA_CUDA_ORIGIN or BARACUDA_NO_CUDA_REASON for the summary. Included, not called:
# what it sets in the environment is read by enable_language(CUDA), which has to stand at the top level.
include(CheckLanguage)

# Sets `out` to the root of the CUDA toolkit packages that Python has installed (cuda-toolkit[nvcc,cudart,cccl]).
function(_baracuda_find_pypi_cuda out)
  execute_process(
    COMMAND
      "${Python_EXECUTABLE}" -c
      "import importlib.util, pathlib
spec = importlib.util.find_spec('nvidia')
found = [nvcc for where in (spec.submodule_search_locations if spec else [])
         for nvcc in sorted(pathlib.Path(where).glob('cu*/bin/nvcc'))]
print(found[-1].parent.parent if found else '')"
    OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(${out} "${root}" PARENT_SCOPE)
endfunction()

# Says why there will be no CUDA backend; stops if there has to be one.
macro(baracuda_leave_cuda_out reason)
  set(BARACUDA_WITH_CUDA FALSE)
  set(BARACUDA_NO_CUDA_REASON "${reason}")
  if(BARACUDA_FFI_CUDA STREQUAL "ON")
    message(
      FATAL_ERROR
        "BARACUDA_FFI_CUDA is ON, but the CUDA kernels cannot be built: ${BARACUDA_NO_CUDA_REASON}.\n"
        "Any one of: install NVIDIA's CUDA toolkit, 12.0 or newer; name its compiler in the environment variable "
        "CUDACXX; set the environment variable BARACUDA_FFI_PYPI_CUDA=1 and build with pip, which then takes the "
        "compiler from PyPI; BARACUDA_FFI_CUDA=AUTO or OFF, for a library with the host backend alone.\n")
  endif()
endmacro()

set(BARACUDA_WITH_CUDA FALSE)
set(BARACUDA_CUDA_ORIGIN "")
set(BARACUDA_NO_CUDA_REASON "")
set(BARACUDA_CUDA_LIBRARY_DIR "")

if(BARACUDA_FFI_CUDA STREQUAL "OFF")
  baracuda_leave_cuda_out("BARACUDA_FFI_CUDA is OFF")
elseif("$ENV{BARACUDA_FFI_PYPI_CUDA}")
  _baracuda_find_pypi_cuda(_root)
  if(_root)
    set(BARACUDA_CUDA_ORIGIN "PyPI's packages")
    set(BARACUDA_CUDA_LIBRARY_DIR "${_root}/lib")
    set(ENV{CUDACXX} "${_root}/bin/nvcc")
    # For the compiler test, which links the CUDA runtime: nvcc.profile names another folder than the packages have.
    set(ENV{LIBRARY_PATH} "${_root}/lib:$ENV{LIBRARY_PATH}")
  else()
    baracuda_leave_cuda_out("BARACUDA_FFI_PYPI_CUDA is set, but Python has no cuda-toolkit[nvcc,cudart,cccl]")
  endif()
else()
  set(BARACUDA_CUDA_ORIGIN "the machine's toolkit")
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(BARACUDA_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda /opt/cuda PATH_SUFFIXES bin)
    mark_as_advanced(BARACUDA_NVCC)
    if(BARACUDA_NVCC)
      set(ENV{CUDACXX} "${BARACUDA_NVCC}")
    else()
      baracuda_leave_cuda_out("no CUDA compiler (nvcc) on this machine")
    endif()
  endif()
endif()

if(NOT BARACUDA_NO_CUDA_REASON)
  set(_nvcc "${CMAKE_CUDA_COMPILER}")
  if(NOT _nvcc)
    set(_nvcc "$ENV{CUDACXX}")
    unset(CMAKE_CUDA_COMPILER CACHE)
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(BARACUDA_WITH_CUDA TRUE)
  else()
    baracuda_leave_cuda_out(
      "${_nvcc} cannot compile a small program (the log is under ${CMAKE_BINARY_DIR}/CMakeFiles)")
  endif()
endif()
