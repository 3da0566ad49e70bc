# Finds a working CUDA compiler for BARACUDA_FFI_CUDA = AUTO, ON or OFF.
#
# CUDA is no language of this project: nothing of what nvcc makes for the host is used, and no part of the CUDA runtime is
# linked. nvcc makes PTX, of which ptxas makes machine code; see CudaKernels.cmake.
#
# Leaves BARACUDA_WITH_CUDA and, with CUDA, BARACUDA_NVCC (with what it is always called with), BARACUDA_CUDA_VERSION (12.4),
# BARACUDA_CUDA_BIN and BARACUDA_CUDA_INCLUDE (its folders of tools and of headers); for the summary BARACUDA_CUDA_ORIGIN or
# BARACUDA_NO_CUDA_REASON.

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

# Sets BARACUDA_CUDA_VERSION, BARACUDA_CUDA_BIN and BARACUDA_CUDA_INCLUDE from what the compiler says of itself, and `problem`
# to what is wrong with it, or to "".
macro(_baracuda_ask_nvcc problem)
  set(${problem} "")
  execute_process(COMMAND ${BARACUDA_NVCC} --version OUTPUT_VARIABLE _said ERROR_VARIABLE _said RESULT_VARIABLE _status)
  string(REGEX MATCH "release ([0-9]+\\.[0-9]+)" _ "${_said}")
  set(BARACUDA_CUDA_VERSION "${CMAKE_MATCH_1}")
  if(NOT BARACUDA_CUDA_VERSION)
    set(${problem} "does not tell its version")
  elseif(BARACUDA_CUDA_VERSION VERSION_LESS 12.0)
    set(${problem} "is version ${BARACUDA_CUDA_VERSION}; 12.0 is needed")
  else()
    set(_program "${CMAKE_BINARY_DIR}/CMakeFiles/check.cu")
    file(WRITE "${_program}" "__global__ void check(int* number) { *number = threadIdx.x; }\n")
    execute_process(COMMAND ${BARACUDA_NVCC} --dryrun -ptx "${_program}" ERROR_VARIABLE _plan OUTPUT_QUIET)
    string(REGEX MATCH "_HERE_=([^\n]+)" _ "${_plan}")
    set(BARACUDA_CUDA_BIN "${CMAKE_MATCH_1}")
    string(REGEX MATCH "INCLUDES=\"-I([^\"\n]+)\"" _ "${_plan}")
    get_filename_component(BARACUDA_CUDA_INCLUDE "${CMAKE_MATCH_1}" ABSOLUTE)
    execute_process(COMMAND ${BARACUDA_NVCC} -ptx "${_program}" -o "${_program}.ptx" ERROR_VARIABLE _said OUTPUT_VARIABLE _said
                    RESULT_VARIABLE _status)
    if(NOT _status EQUAL 0)
      set(${problem} "cannot compile a small program: ${_said}")
    endif()
    foreach(_tool ptxas fatbinary)
      if(NOT EXISTS "${BARACUDA_CUDA_BIN}/${_tool}${CMAKE_EXECUTABLE_SUFFIX}")
        set(${problem} "has no ${_tool} beside it, in ${BARACUDA_CUDA_BIN}")
      endif()
    endforeach()
    if(NOT EXISTS "${BARACUDA_CUDA_INCLUDE}/cuda.h")
      set(${problem} "has no headers in ${BARACUDA_CUDA_INCLUDE}")
    endif()
  endif()
endmacro()

set(BARACUDA_WITH_CUDA FALSE)
set(BARACUDA_CUDA_ORIGIN "")
set(BARACUDA_NO_CUDA_REASON "")

if(BARACUDA_FFI_CUDA STREQUAL "OFF")
  baracuda_leave_cuda_out("BARACUDA_FFI_CUDA is OFF")
elseif("$ENV{BARACUDA_FFI_PYPI_CUDA}")
  _baracuda_find_pypi_cuda(_root)
  if(_root)
    set(BARACUDA_CUDA_ORIGIN "PyPI's packages")
    set(_nvcc "${_root}/bin/nvcc")
  else()
    baracuda_leave_cuda_out("BARACUDA_FFI_PYPI_CUDA is set, but Python has no cuda-toolkit[nvcc,cudart,cccl]")
  endif()
else()
  set(BARACUDA_CUDA_ORIGIN "the machine's toolkit")
  if(CMAKE_CUDA_COMPILER)
    set(_nvcc "${CMAKE_CUDA_COMPILER}")
  elseif(DEFINED ENV{CUDACXX})
    set(_nvcc "$ENV{CUDACXX}")
  else()
    find_program(BARACUDA_NVCC_PROGRAM nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda /opt/cuda PATH_SUFFIXES bin)
    mark_as_advanced(BARACUDA_NVCC_PROGRAM)
    set(_nvcc "${BARACUDA_NVCC_PROGRAM}")
    if(NOT _nvcc)
      baracuda_leave_cuda_out("no CUDA compiler (nvcc) on this machine")
    endif()
  endif()
endif()

if(NOT BARACUDA_NO_CUDA_REASON)
  set(_host_compiler "$ENV{CUDAHOSTCXX}")
  if(CMAKE_CUDA_HOST_COMPILER)
    set(_host_compiler "${CMAKE_CUDA_HOST_COMPILER}")
  endif()
  set(BARACUDA_NVCC "${_nvcc}")
  if(_host_compiler)
    list(APPEND BARACUDA_NVCC "-ccbin=${_host_compiler}")
  endif()
  _baracuda_ask_nvcc(_problem)
  if(_problem)
    baracuda_leave_cuda_out("${_nvcc} ${_problem}")
  else()
    set(BARACUDA_WITH_CUDA TRUE)
  endif()
endif()
