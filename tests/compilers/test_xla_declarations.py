"""What native/src/xla declares of XLA's foreign function interface is what jaxlib's own header declares, and
the package's part of the library's private header."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.c_abi import header
from support.c_abi.declarations import check_struct
from support.processes.installed import run

jax: Any = pytest.importorskip("jax")

from baracuda_ffi._compilers import xla_target  # noqa: E402

NATIVE = Path(__file__).parents[2] / "native"
CXX = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")

#: Ours, XLA's, and their members in pairs. What XLA's extensions begin with has had two names.
STRUCTS = {
    ("Extension", "{extension}"): "struct_size type next",
    ("Version", "XLA_FFI_Api_Version"): (
        "struct_size extensions:extension_start major_version minor_version"
    ),
    ("Metadata", "XLA_FFI_Metadata"): "struct_size api_version traits",
    ("MetadataExtension", "XLA_FFI_Metadata_Extension"): "base:extension_base metadata",
    ("ErrorCreateArgs", "XLA_FFI_Error_Create_Args"): (
        "struct_size extensions:extension_start message code:errc"
    ),
    ("StreamGetArgs", "XLA_FFI_Stream_Get_Args"): (
        "struct_size extensions:extension_start context:ctx stream"
    ),
    ("DeviceOrdinalGetArgs", "XLA_FFI_DeviceOrdinal_Get_Args"): (
        "struct_size extensions:extension_start context:ctx device_ordinal"
    ),
    ("Api", "XLA_FFI_Api"): (
        "struct_size extensions:extension_start api_version internal:internal_api "
        "error_create:XLA_FFI_Error_Create stream_get:XLA_FFI_Stream_Get "
        "device_ordinal_get:XLA_FFI_DeviceOrdinal_Get"
    ),
    ("Buffer", "XLA_FFI_Buffer"): (
        "struct_size extensions:extension_start data_type:dtype data rank extents:dims"
    ),
    ("Buffers", "XLA_FFI_Args"): "struct_size extensions:extension_start count:size types buffers:args",
    ("Buffers", "XLA_FFI_Rets"): "struct_size extensions:extension_start count:size types buffers:rets",
    ("Text", "XLA_FFI_ByteSpan"): "begin:ptr size:len",
    ("Array", "XLA_FFI_Array"): "data_type:dtype size data",
    ("Attributes", "XLA_FFI_Attrs"): (
        "struct_size extensions:extension_start count:size types names values:attrs"
    ),
    ("CallFrame", "XLA_FFI_CallFrame"): (
        "struct_size extensions:extension_start api context:ctx stage arguments:args results:rets "
        "attributes:attrs"
    ),
}

CONSTANTS = {
    "kMajorVersion": "XLA_FFI_API_MAJOR",
    "kMetadataExtension": "XLA_FFI_Extension_Metadata",
    "kCommandBufferCompatible": "XLA_FFI_HANDLER_TRAITS_COMMAND_BUFFER_COMPATIBLE",
    "kInvalidArgument": "XLA_FFI_Error_Code_INVALID_ARGUMENT",
    "kUnimplemented": "XLA_FFI_Error_Code_UNIMPLEMENTED",
    "kInternal": "XLA_FFI_Error_Code_INTERNAL",
    "kArrayAttribute": "XLA_FFI_AttrType_ARRAY",
    **{
        f"k{name}": f"XLA_FFI_DataType_{name}"
        for name in ("S8", "S32", "S64", "U8", "F16", "F32", "BF16", "F8E5M2", "F8E4M3FN")
    },
}


def header_of_jaxlib() -> Path:
    return Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"


def claims() -> list[str]:
    text = header_of_jaxlib().read_text()
    names = ("XLA_FFI_InternalExtension", "XLA_FFI_Extension_Base")
    [extension] = [name for name in names if f"}} {name};" in text]
    found = []
    for (ours, named), members in STRUCTS.items():
        theirs = named.format(extension=extension)
        for pair in members.split():
            our, _, their = pair.partition(":")
            their = their or our
            found.append(f"offsetof({ours}, {our}) == offsetof({theirs}, {their})")
            found.append(f"sizeof({ours}::{our}) == sizeof({theirs}::{their})")
    found += [f"static_cast<int>({ours}) == static_cast<int>({theirs})" for ours, theirs in CONSTANTS.items()]
    return found


def program(claimed: list[str]) -> str:
    includes = ["xla/ffi/api/c_api.h", NATIVE / "src" / "xla" / "ffi.h"]
    lines = [
        *[f'#include "{path}"' for path in includes],
        "using namespace baracuda::xla;",
        *[f'static_assert({claim}, "");' for claim in claimed],
    ]
    return "\n".join([*lines, ""])


def compile_claims(claimed: list[str], folder: Path) -> None:
    source = folder / "claims.cpp"
    source.write_text(program(claimed))
    run([CXX or "c++", "-std=c++17", "-fsyntax-only", f"-I{jax.ffi.include_dir()}", source], folder)


@pytest.mark.skipif(CXX is None, reason="needs a C++ compiler, there is none")
def test_the_declarations_are_xlas(tmp_path: Path) -> None:
    assert len(claims()) > 100
    compile_claims(claims(), tmp_path)
    with pytest.raises(AssertionError, match="kS8"):  # and a wrong one is found
        compile_claims([*claims(), "kS8 == XLA_FFI_DataType_U8"], tmp_path)


@pytest.mark.skipif(header.compiler() is None, reason="needs a C compiler, there is none")
def test_the_private_header() -> None:
    check_struct(xla_target._Handler, header.fields("baracuda_xla_handler", header.XLA_HEADER))
    text = header.XLA_HEADER.read_text()
    for name, number in xla_target._OTHERS.items():
        assert f"#define BARACUDA_XLA_{name.upper()} {number} " in text


def test_the_version_that_xla_is_told() -> None:
    """That of jaxlib's own header, of which some releases take no other."""
    text = header_of_jaxlib().read_text()
    assert f"#define XLA_FFI_API_MINOR {xla_target._minor_version()}\n" in text
    assert "#define XLA_FFI_API_MAJOR 0\n" in text
