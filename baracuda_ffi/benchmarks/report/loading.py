"""A run's JSON, read back: each value has the type of its field, or it is not read."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from .results import MEASURED, ROLES, SCHEMA, SCHEMA_VERSION, STATUSES, Report, Row, SuiteResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

# What is looked at of a machine, whatever else there is.
_MACHINE = {
    "gpus": list[str],
    "driver": str,
    "cpu": str,
    "cores": int,
    "load": float | None,
    "python": str,
}


class NotAReport(ValueError):
    """The file is not the JSON of a run, or not of a version that is understood here."""


class _Damaged(ValueError):
    """Which value is not what it should be."""


def load(path: Path) -> Report:
    """Raises ``NotAReport``, saying what is wrong with the file, or ``OSError``."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotAReport(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise NotAReport(f"{path} is not the JSON of a {SCHEMA} run")
    version = data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise NotAReport(f"{path} has schema version {version}; this release reads {SCHEMA_VERSION}")
    try:
        report: Report = _read(Report, data, "the run")
        for name, kind in _MACHINE.items():
            _read(kind, report.machine.get(name), f"machine.{name}")
        for suite in report.suites:
            _check(suite)
    except _Damaged as error:
        raise NotAReport(f"{path} is damaged: {error}") from error
    return report


def suite_from_json(data: object) -> SuiteResult:
    suite: SuiteResult = _read(SuiteResult, data, "the suite")
    _check(suite)
    return suite


def _check(suite: SuiteResult) -> None:
    """What the types do not say."""
    _one_of(suite.status, STATUSES)
    for case in suite.cases:
        if not case.rows:
            raise _Damaged(f"a case of {suite.name} has no rows")
        for row in case.rows:
            _check_row(row)


def _check_row(row: Row) -> None:
    _one_of(row.role, ROLES)
    if (_one_of(row.status, STATUSES) == MEASURED) != (row.summary is not None):
        raise _Damaged(f"row {row.path!r} is {row.status} and has summary {row.summary}")


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise _Damaged(f"{value!r} is not one of {', '.join(allowed)}")
    return value


def _read(kind: Any, value: object, where: str) -> Any:
    """The value as a ``kind``: a dataclass, a list, a dict, one of JSON's own types, or None too."""
    if kind is Any:
        return value
    if get_origin(kind) is UnionType:
        if value is None and NoneType in get_args(kind):
            return None
        kinds = tuple([each for each in get_args(kind) if each is not NoneType])
        return _read(kinds[0], value, where) if len(kinds) == 1 else _plain(kinds, value, where)
    if is_dataclass(kind):
        return _read_fields(kind, value, where)
    if get_origin(kind) is list:
        (item_kind,) = get_args(kind)
        items = _plain((list,), value, where)
        return [_read(item_kind, item, f"{where}[{i}]") for i, item in enumerate(items)]
    if get_origin(kind) is dict:
        _, item_kind = get_args(kind)
        named = _plain((dict,), value, where)
        return {name: _read(item_kind, item, f"{where}.{name}") for name, item in named.items()}
    return _plain((kind,), value, where)


def _read_fields(kind: Any, value: object, where: str) -> Any:
    given, hints, found = _plain((dict,), value, where), get_type_hints(kind), {}
    for field in fields(kind):
        if field.name in given:
            found[field.name] = _read(hints[field.name], given[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise _Damaged(f"{where} has no {field.name}")
    return kind(**found)


def _plain(kinds: tuple[type, ...], value: object, where: str) -> Any:
    if float in kinds and type(value) is int:
        return value
    if type(value) not in kinds:
        names = " or ".join([kind.__name__ for kind in kinds])
        raise _Damaged(f"{where} is {value!r:.60}; it should be of type {names}")
    return value
