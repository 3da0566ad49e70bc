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
file(WRITE "${OUT}" "${text}")
