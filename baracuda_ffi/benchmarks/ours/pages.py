"""Our copies of pages, as a user writes them."""

from __future__ import annotations

from ..._pages.functional import copy_pages, gather_pages, scatter_pages
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..operands.pages import PageOperands

_STATEMENTS = {
    "copy": "copy_pages(k_data, v_data, source, destination, stream=stream)",
    "gather": "gather_pages(k_data, v_data, source, buffer, stream=stream)",
    "scatter": "scatter_pages(k_data, v_data, destination, buffer, stream=stream)",
}

NAME = {"copy": "copy_pages", "gather": "gather_pages", "scatter": "scatter_pages"}


def call(operands: PageOperands, stream: Any) -> Call:
    names = {
        "copy_pages": copy_pages,
        "gather_pages": gather_pages,
        "scatter_pages": scatter_pages,
        "k_data": operands.k_data,
        "v_data": operands.v_data,
        "source": operands.source,
        "destination": operands.destination,
        "buffer": operands.buffer,
        "stream": stream,
    }
    return Call(_STATEMENTS[operands.problem.movement], names)
