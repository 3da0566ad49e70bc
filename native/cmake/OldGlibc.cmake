# Lets a library that is linked on a new glibc load on an older one.
#
# glibc 2.34 moved libpthread and libdl into libc and gave their functions new symbol versions, which is what a link there
# binds to. The old versions are still in libc, for programs that were linked before; only the linker is not shown them. So
# it is given stand-ins for those two libraries, which define the functions under their old versions and are used for nothing
# but this link: at run time the system's own libpthread.so.0 and libdl.so.2 are meant, and every glibc has them.

include(CheckCXXSymbolExists)

# Adds the stand-ins to the link of `target` if the compiler's C library is a glibc that has moved functions.
function(baracuda_link_for_old_glibc target)
  check_cxx_symbol_exists(__GLIBC__ features.h BARACUDA_LIBC_IS_GLIBC)
  if(NOT BARACUDA_LIBC_IS_GLIBC)
    return() # musl's; and the compiler may name this machine's libc.so.6 all the same
  endif()
  execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -print-file-name=libc.so.6 OUTPUT_VARIABLE libc
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT CMAKE_READELF OR NOT EXISTS "${libc}")
    return()
  endif()
  execute_process(COMMAND "${CMAKE_READELF}" --dyn-syms --wide "${libc}" OUTPUT_VARIABLE symbols ERROR_QUIET)
  set(libraries "libpthread.so.0|pthread_|sem_")
  if(BARACUDA_WITH_CUDA)
    list(APPEND libraries "libdl.so.2|dl")
  endif()
  foreach(library IN LISTS libraries)
    string(REGEX MATCH "^([^|]+)[|](.+)$" _ "${library}")
    _baracuda_make_stand_in("${CMAKE_MATCH_1}" "${CMAKE_MATCH_2}" "${symbols}" stand_in)
    if(stand_in)
      # As an option of the linker: a path would make CMake add its folder to the RUNPATH of the build tree. Needed in
      # any case: what uses it may stand behind it on the command line.
      target_link_libraries(${target} PRIVATE "-Wl,--push-state,--no-as-needed,${stand_in},--pop-state")
    endif()
  endforeach()
endfunction()

# Makes a shared library `soname` of the functions whose names begin with one of `prefixes` (a regular expression)
# and that have an old version beside one of 2.29 or later. Sets `out` to its path, or to "" if there are none.
function(_baracuda_make_stand_in soname prefixes symbols out)
  set(${out} "" PARENT_SCOPE)
  string(REGEX MATCHALL " (${prefixes})[a-z_]*@@GLIBC_2\\.(29|[3-9][0-9])" moved "${symbols}")
  list(TRANSFORM moved REPLACE "^ ([a-z_]+)@@.*" "\\1")
  list(SORT moved)
  set(source "")
  set(versions "")
  foreach(name IN LISTS moved)
    string(REGEX MATCHALL " ${name}@GLIBC_[0-9.]+" old "${symbols}")
    if(old)
      list(TRANSFORM old REPLACE ".*@" "")
      list(SORT old COMPARE NATURAL ORDER DESCENDING)
      list(GET old 0 version)
      string(APPEND source "extern \"C\" void ${name}() {}\n")
      list(APPEND versions "${version}")
      string(APPEND names_${version} " ${name};")
    endif()
  endforeach()
  if(NOT source)
    return()
  endif()
  set(script "")
  list(REMOVE_DUPLICATES versions)
  foreach(version IN LISTS versions)
    string(APPEND script "${version} {${names_${version}} };\n")
  endforeach()
  set(dir "${PROJECT_BINARY_DIR}/old-glibc")
  file(CONFIGURE OUTPUT "${dir}/${soname}.cpp" CONTENT "${source}" @ONLY)
  file(CONFIGURE OUTPUT "${dir}/${soname}.map" CONTENT "${script}" @ONLY)
  if("${dir}/${soname}.map" IS_NEWER_THAN "${dir}/${soname}")
    execute_process(
      COMMAND "${CMAKE_CXX_COMPILER}" -shared -fPIC -nostdlib -w "-Wl,-soname,${soname}"
              "-Wl,--version-script=${dir}/${soname}.map" -o "${dir}/${soname}" "${dir}/${soname}.cpp"
      RESULT_VARIABLE status ERROR_VARIABLE error)
    if(NOT status EQUAL 0)
      message(WARNING "The library will need this machine's glibc or a newer one: no stand-in for ${soname}: ${error}")
      return()
    endif()
  endif()
  set(${out} "${dir}/${soname}" PARENT_SCOPE)
endfunction()
