"""Our kernels' machine code waits for what is before them on the stream before it looks at global memory.

They are launched so that they may begin sooner, and a load that an assembler moves ahead of the wait would be
wrong once in a million times.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

import baracuda_ffi as bf
from support.processes.images import images

FIRST_TO_WAIT = 90
ARCHS = [arch for arch in bf.build_info().archs if int(arch.rstrip("af")) >= FIRST_TO_WAIT]

pytestmark = pytest.mark.skipif(not ARCHS, reason="the library has no machine code of sm_90 or later")

INSTRUCTION = struct.Struct("<QQ")
ALWAYS = 7  # the predicate of what is carried out whatever holds
#: The lowest 12 bits of an instruction, from sm_90 on.
WAIT = 0x82E
GLOBAL_MEMORY = {
    0x980: "LD",
    0x981: "LDG",
    0x385: "ST",
    0x386: "STG",
    0x985: "ST",
    0x986: "STG",
    0x3A8: "ATOMG",
    0x3A9: "ATOMG.CAS",
    0x9A3: "ATOMG",
    0x9A8: "ATOMG",
    0x98E: "REDG",
}


def kernels(elf: bytes) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Their names, and of each instruction what it does and its predicate."""
    (offset,) = struct.unpack_from("<Q", elf, 0x28)
    entry_bytes, count, names_index = struct.unpack_from("<HHH", elf, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", elf, offset + i * entry_bytes) for i in range(count)]
    names_at = sections[names_index][4]
    for name, _, _, _, at, size in sections:
        start = names_at + name
        text = elf[start : elf.index(b"\0", start)].decode()
        if text.startswith(".text."):
            code = INSTRUCTION.iter_unpack(elf[at : at + size])
            yield text[len(".text.") :], [(low & 0xFFF, low >> 12 & 7) for low, _ in code]


def test_kernels_wait_before_they_look_at_memory() -> None:
    checked = 0
    for image in images(bf.library_path()):
        for code in image:
            if code.kind != "elf" or code.arch < FIRST_TO_WAIT:
                continue
            for name, instructions in kernels(code.content):
                if "flashinfer" in name:  # the stream keeps these in order
                    continue
                waits = [i for i, done in enumerate(instructions) if done == (WAIT, ALWAYS)]
                looks = [i for i, (what, _) in enumerate(instructions) if what in GLOBAL_MEMORY]
                assert waits, f"{name} of sm_{code.arch} does not wait"
                assert looks, f"{name} of sm_{code.arch} has no instruction that is known"
                assert waits[0] < looks[0], f"{name} of sm_{code.arch} looks at memory before it waits"
                checked += 1
    assert checked > 20 * len(ARCHS)
