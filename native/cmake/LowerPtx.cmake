# Writes PTX as an older assembler, or driver, takes it: cmake -DIN= -DOUT= -DVERSION=8.0 -P LowerPtx.cmake
#
# Nothing of ours needs what later versions of the language have: what is not so would not assemble.
file(READ "${IN}" text)
if(NOT text MATCHES "\n\\.version [0-9]+\\.[0-9]+\n")
  message(FATAL_ERROR "${IN} does not say which version of PTX it is")
endif()
string(REGEX REPLACE "\n\\.version [0-9.]+\n" "\n.version ${VERSION}\n" text "${text}")
# A hint that older assemblers warn of.
string(REGEX REPLACE "\n[ \t]*\\.pragma \"used_bytes_mask[^\n]*" "" text "${text}")
# What only a reader wants: comments, and a parameter's name, which has its kernel's in it wherever it is read.
string(REGEX REPLACE "\n[ \t]*//[^\n]*" "" text "${text}")
string(REGEX REPLACE "_Z[A-Za-z0-9_]*_param_([0-9]+)" "p\\1" text "${text}")
file(WRITE "${OUT}" "${text}")
