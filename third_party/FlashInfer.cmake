# Finds FlashInfer's headers, or fetches those of the pinned release: see README.md for the order and the reasons.
include("${CMAKE_CURRENT_LIST_DIR}/FlashInferKernel.cmake")

set(_baracuda_third_party_dir "${CMAKE_CURRENT_LIST_DIR}")
set(_baracuda_flashinfer_pin "${_baracuda_third_party_dir}/flashinfer-requirements.txt")

# What page.cuh includes, directly or not.
set(_baracuda_flashinfer_headers exception.h fastdiv.cuh layout.cuh page.cuh utils.cuh vec_dtypes.cuh)

# Sets `out` to the pinned release, such as 0.6.9.
function(baracuda_flashinfer_pinned_version out)
  file(STRINGS "${_baracuda_flashinfer_pin}" line REGEX "^flashinfer-python==")
  string(REGEX MATCH "==([0-9][0-9a-zA-Z.]*)" _ "${line}")
  set(${out} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

# Copies the headers and the licence into `destination`, and writes the release to its file VERSION.
function(_baracuda_keep_flashinfer include_dir licence version destination)
  foreach(header IN LISTS _baracuda_flashinfer_headers)
    configure_file("${include_dir}/flashinfer/${header}" "${destination}/include/flashinfer/${header}" COPYONLY)
  endforeach()
  configure_file("${licence}" "${destination}/LICENSE" COPYONLY)
  file(WRITE "${destination}/VERSION" "${version}\n")
endfunction()

# Whether `dir` holds what _baracuda_keep_flashinfer leaves, for the pinned release.
function(_baracuda_flashinfer_is_kept dir version out)
  set(${out} FALSE PARENT_SCOPE)
  if(EXISTS "${dir}/VERSION" AND EXISTS "${dir}/LICENSE" AND EXISTS "${dir}/include/flashinfer/page.cuh")
    file(STRINGS "${dir}/VERSION" kept LIMIT_COUNT 1)
    if(kept STREQUAL version)
      set(${out} TRUE PARENT_SCOPE)
    endif()
  endif()
endfunction()

# Sets `out` to the folder of flashinfer-python's files if Python has the pinned release installed, else to "".
function(_baracuda_installed_flashinfer version out)
  execute_process(
    COMMAND
      "${Python_EXECUTABLE}" -c
      "import importlib.metadata as m
try:
    d = m.distribution('flashinfer-python')
    print(d.locate_file('') if d.version == '${version}' else '')
except m.PackageNotFoundError:
    print()"
    OUTPUT_VARIABLE site OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT site OR NOT EXISTS "${site}/flashinfer/data/include/flashinfer/page.cuh")
    set(site "")
  endif()
  set(${out} "${site}" PARENT_SCOPE)
endfunction()

# Downloads the pinned wheel and keeps what is needed of it in `destination`.
function(_baracuda_download_flashinfer version destination)
  set(work_dir "${CMAKE_BINARY_DIR}/flashinfer-download")
  message(STATUS "FlashInfer ${version}: downloading its wheel with pip")
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -m pip download --quiet --disable-pip-version-check --no-deps
            --only-binary :all: --require-hashes --requirement "${_baracuda_flashinfer_pin}" --dest "${work_dir}"
    RESULT_VARIABLE status
    ERROR_VARIABLE pip_error)
  file(GLOB wheel "${work_dir}/flashinfer_python-*.whl")
  if(NOT status EQUAL 0 OR NOT wheel)
    message(
      FATAL_ERROR
        "FlashInfer ${version}'s headers are needed for the CUDA kernels and could not be downloaded.\n"
        "${Python_EXECUTABLE} -m pip download said:\n${pip_error}\n"
        "What helps, any one of:\n"
        "  - pip's own settings as environment variables or in its configuration file (PIP_INDEX_URL; PIP_NO_INDEX "
        "with PIP_FIND_LINKS); options on the command line of the pip that runs this build do not reach here\n"
        "  - -DFLASHINFER_INCLUDE_DIR=DIR, where DIR holds flashinfer/page.cuh of release ${version}\n"
        "  - building from the source distribution, which carries the headers\n"
        "  - -DBARACUDA_FFI_CUDA=OFF, for a library with the host backend alone\n")
  endif()
  file(ARCHIVE_EXTRACT INPUT "${wheel}" DESTINATION "${work_dir}" PATTERNS "*/include/flashinfer/*" "*/licenses/*")
  _baracuda_keep_flashinfer(
    "${work_dir}/flashinfer/data/include"
    "${work_dir}/flashinfer_python-${version}.dist-info/licenses/LICENSE" "${version}" "${destination}")
  file(REMOVE_RECURSE "${work_dir}")
endfunction()

# Sets `out_version` and `out_licence` for headers that somebody put at `include_dir`: from the wheel or the
# repository around them where there is one, else to "unknown" and "".
function(_baracuda_describe_flashinfer include_dir out_version out_licence)
  file(GLOB dist_infos "${include_dir}/../../../flashinfer_python-*.dist-info")
  set(version unknown)
  set(licence "")
  foreach(file "${include_dir}/../VERSION" "${include_dir}/../version.txt")
    if(EXISTS "${file}")
      file(STRINGS "${file}" version LIMIT_COUNT 1)
    endif()
  endforeach()
  if(dist_infos MATCHES "flashinfer_python-([^;]*)\\.dist-info$")
    set(version "${CMAKE_MATCH_1}")
  endif()
  foreach(file "${include_dir}/../LICENSE" "${dist_infos}/licenses/LICENSE")
    if(EXISTS "${file}")
      set(licence "${file}")
    endif()
  endforeach()
  set(${out_version} "${version}" PARENT_SCOPE)
  set(${out_licence} "${licence}" PARENT_SCOPE)
endfunction()

# Puts the pinned headers where a source distribution carries them. `carried_dir` is in the source tree, ignored by
# git.
function(baracuda_carry_flashinfer carried_dir)
  baracuda_flashinfer_pinned_version(version)
  _baracuda_flashinfer_is_kept("${carried_dir}" "${version}" kept)
  if(NOT kept)
    _baracuda_download_flashinfer("${version}" "${carried_dir}")
  endif()
  baracuda_check_flashinfer_kernel("${carried_dir}/include"
                                   "${_baracuda_third_party_dir}/flashinfer-kernel.sha256")
endfunction()

# Sets FLASHINFER_HEADERS_DIR (for the compiler), FLASHINFER_VERSION, FLASHINFER_LICENSE_FILE ("" where none is
# known) and FLASHINFER_ORIGIN (for the summary), having checked the kernel's text.
function(baracuda_find_flashinfer)
  baracuda_flashinfer_pinned_version(version)
  set(carried_dir "${_baracuda_third_party_dir}/flashinfer")
  set(fetched_dir "${CMAKE_BINARY_DIR}/flashinfer")
  _baracuda_flashinfer_is_kept("${carried_dir}" "${version}" is_carried)
  _baracuda_flashinfer_is_kept("${fetched_dir}" "${version}" is_fetched)
  if(FLASHINFER_INCLUDE_DIR)
    get_filename_component(include_dir "${FLASHINFER_INCLUDE_DIR}" ABSOLUTE)
    if(NOT EXISTS "${include_dir}/flashinfer/page.cuh")
      message(FATAL_ERROR "FLASHINFER_INCLUDE_DIR is ${include_dir}, which holds no flashinfer/page.cuh")
    endif()
    set(origin "FLASHINFER_INCLUDE_DIR")
  else()
    _baracuda_installed_flashinfer("${version}" site)
    if(site)
      set(include_dir "${site}/flashinfer/data/include")
      set(origin "the installed flashinfer-python")
    elseif(is_carried)
      set(include_dir "${carried_dir}/include")
      set(origin "carried by the source distribution")
    else()
      if(NOT is_fetched)
        _baracuda_download_flashinfer("${version}" "${fetched_dir}")
      endif()
      set(include_dir "${fetched_dir}/include")
      set(origin "downloaded by pip")
    endif()
  endif()
  baracuda_check_flashinfer_kernel("${include_dir}" "${_baracuda_third_party_dir}/flashinfer-kernel.sha256")
  _baracuda_describe_flashinfer("${include_dir}" version licence)
  set(FLASHINFER_HEADERS_DIR "${include_dir}" PARENT_SCOPE)
  set(FLASHINFER_VERSION "${version}" PARENT_SCOPE)
  set(FLASHINFER_LICENSE_FILE "${licence}" PARENT_SCOPE)
  set(FLASHINFER_ORIGIN "${origin}" PARENT_SCOPE)
endfunction()
