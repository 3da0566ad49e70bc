# CMake writes this module and installs it beside the library; a source tree has none.
PREFIX: str
LIBRARY: str
