"""The binary interface in words that a compiler and a linker agree on: what callers have built into them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import header


def describe(work_dir: Path) -> str:
    """ABI version, functions, flags, enumerators and struct layouts, as a C compiler sees the header."""
    parts = [
        f"abi_version {header.macro('BARACUDA_FFI_ABI_VERSION')}",
        *[f"function {line}" for line in _functions()],
        *[f"flag {line}" for line in _flags()],
        *[f"enumerator {line}" for line in _enumerators()],
        *_layouts(work_dir),
    ]
    return "\n".join(parts) + "\n"


def _functions() -> list[str]:
    return [
        f"{name}({', '.join(parameters) or 'void'}) -> {returns}"
        for name, (returns, parameters) in sorted(header.functions().items())
    ]


def _flags() -> list[str]:
    return [f"{name} = {value}u" for name, value in header.flags().items()]


def _enumerators() -> list[str]:
    return [
        f"{enum}.{name} = {value}"
        for enum in header.enums()
        for name, value in header.enumerators(enum).items()
    ]


def _layouts(work_dir: Path) -> list[str]:
    """What a C program prints of each struct: its size, and the offset and size of each member."""
    prints = []
    for struct in header.structs():
        prints.append(f'printf("struct {struct}: %zu bytes\\n", sizeof({struct}));')
        prints.extend(
            f'printf("member {struct}.{name}: offset %zu, %zu bytes\\n", offsetof({struct}, {name}), '
            f"sizeof((({struct} *)0)->{name}));"
            for _, name in header.fields(struct)
        )
    source = work_dir / "layout.c"
    statements = "\n".join(prints)
    source.write_text(
        f'#include "{header.HEADER}"\n#include <stdio.h>\nint main(void) {{\n{statements}\nreturn 0;\n}}\n'
    )
    program = work_dir / "layout"
    subprocess.run([header.compiler() or "cc", "-o", program, source], check=True)
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
