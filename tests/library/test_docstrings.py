"""The public docstrings, in numpydoc's sections, against the code: an API page made of them is right."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi._model.frozen import Frozen

SELF = ("self", "cls")

SECTIONS = ("Parameters", "Attributes", "Returns", "Raises", "Notes")

#: Classes whose constructor is not for users.
MADE_FOR_USERS = (bf.BoundLaunch, bf.PagedKvAppendPlan, BaseException, Enum)


def sections_of(doc: str) -> dict[str, list[str]]:
    """The entries of each section: their heads, without what stands indented below them."""
    lines = inspect.cleandoc(doc).splitlines()
    found: dict[str, list[str]] = {}
    heads: list[str] = []
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below and set(below) == {"-"} and len(below) == len(line):
            heads = found.setdefault(line, [])
        elif line and not line.startswith((" ", "---")):
            if heads and heads[-1].endswith(","):  # a list of names that takes two lines
                heads[-1] += f" {line}"
            else:
                heads.append(line)
    return found


def names_in(heads: list[str]) -> list[str]:
    return [name.strip() for head in heads for name in head.split(" : ")[0].split(",")]


def is_method(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, classmethod | staticmethod)


def public() -> Iterator[tuple[str, object]]:
    """Every public name, and the methods and properties that the package wrote for its classes."""
    for name in bf.__all__:
        if name == "reference":
            continue
        value = getattr(bf, name)
        yield name, value
        if inspect.isclass(value):
            for base in value.__mro__:
                for member, found in vars(base).items():
                    written_here = base.__module__.startswith("baracuda_ffi")
                    if not written_here or member.startswith("_") or first_with(member, value) is not base:
                        continue
                    if is_method(found) or isinstance(found, property):
                        yield f"{name}.{member}", found
    for name in bf.reference.__all__:
        yield f"reference.{name}", getattr(bf.reference, name)


def first_with(member: str, kind: type) -> type:
    return next(base for base in kind.__mro__ if member in vars(base))


PUBLIC = dict(public())


def function_of(name: str) -> Callable[..., Any] | None:
    """What takes the parameters that the docstring speaks of, if anything does."""
    value = PUBLIC[name]
    if inspect.isclass(value):
        return None if issubclass(value, MADE_FOR_USERS) else value.__init__
    if isinstance(value, property):
        return value.fget
    if isinstance(value, classmethod | staticmethod):
        return value.__func__
    assert inspect.isfunction(value)
    return value


def owner_of(name: str) -> type | None:
    value = getattr(bf, name.split(".")[0])
    return value if inspect.isclass(value) else None


def doc_of(name: str) -> str:
    return PUBLIC[name].__doc__ or ""


def fields_of(kind: type) -> list[str]:
    """The public attributes that an error of ours adds."""
    return [name for name in inspect.get_annotations(kind) if not name.startswith("_")]


def is_explained_by_its_class(name: str) -> bool:
    """An operand of ``PagedKvAppendArgs`` is a parameter, and a property of that name: told once."""
    owner, _, member = name.rpartition(".")
    return isinstance(PUBLIC[name], property) and member in names_in(
        sections_of(doc_of(owner)).get("Parameters", [])
    )


DOCUMENTED = [name for name in PUBLIC if not is_explained_by_its_class(name)]
CALLABLE = [
    name for name in DOCUMENTED if not isinstance(PUBLIC[name], property) and function_of(name) is not None
]
ERRORS = [name for name in bf.__all__ if owner_of(name) and issubclass(getattr(bf, name), BaseException)]


def called(function: Callable[..., Any]) -> Iterator[ast.Call]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def parameters_of(function: Callable[..., Any]) -> list[str]:
    """Its own, and for ``**others`` those of the function that it hands them to."""
    taken = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            taken += keywords_handed_on(function, name) or [name]
        elif name not in SELF:
            taken.append(name)
    return taken


def keywords_handed_on(function: Callable[..., Any], others: str) -> list[str]:
    for call in called(function):
        handed = any(k.arg is None and getattr(k.value, "id", "") == others for k in call.keywords)
        taker = function.__globals__.get(getattr(call.func, "id", ""))
        if handed and taker is not None:
            parameters = list(inspect.signature(taker).parameters.values())
            return [p.name for p in parameters[len(call.args) :] if p.kind is not p.POSITIONAL_ONLY]
    return []


def raises_ours(function: Callable[..., Any], owner: type | None, seen: set[object]) -> bool:
    """Whether the function, or one of the package that it calls by a global name or on ``self``, has a
    ``raise`` of an error of ours."""
    if function in seen:
        return False
    seen.add(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            maker = node.exc.func
            name = maker.attr if isinstance(maker, ast.Attribute) else getattr(maker, "id", "")
            if name in {"invalid_problem", "unsupported", "error", "error_for"} or name in ERRORS:
                return True
    for call in called(function):
        target: object = None
        if isinstance(call.func, ast.Name):
            target = function.__globals__.get(call.func.id)
        elif isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "self":
            target = getattr(owner, call.func.attr, None)
        ours = inspect.isfunction(target) and target.__module__.startswith("baracuda_ffi")
        if ours and raises_ours(target, owner, seen):
            return True
    return False


@pytest.mark.parametrize("name", DOCUMENTED)
def test_there_is_one(name: str) -> None:
    assert doc_of(name).strip()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_its_sections_are_numpydoc_s_and_in_its_order(name: str) -> None:
    found = list(sections_of(doc_of(name)))
    assert found == [section for section in SECTIONS if section in found]


@pytest.mark.parametrize("name", CALLABLE)
def test_parameters_are_those_of_the_signature(name: str) -> None:
    function = function_of(name)
    assert function is not None
    documented = names_in(sections_of(doc_of(name)).get("Parameters", []))
    assert documented == parameters_of(function)


@pytest.mark.parametrize("name", CALLABLE)
def test_what_returns_something_says_what(name: str) -> None:
    function = function_of(name)
    assert function is not None
    returns = inspect.get_annotations(function).get("return")
    says = "Returns" in sections_of(doc_of(name))
    assert says == (returns not in ("None", None))


@pytest.mark.parametrize("name", CALLABLE)
def test_what_raises_our_errors_says_which(name: str) -> None:
    function = function_of(name)
    assert function is not None
    if raises_ours(function, owner_of(name), set()):
        assert sections_of(doc_of(name)).get("Raises")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_what_is_raised_exists(name: str) -> None:
    for error in names_in(sections_of(doc_of(name)).get("Raises", [])):
        assert error in ERRORS or error in {"ValueError", "TypeError", "AttributeError"}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_names_its_attributes(name: str) -> None:
    assert names_in(sections_of(doc_of(name)).get("Attributes", [])) == fields_of(getattr(bf, name))


def test_the_fields_of_frozen_classes_are_their_parameters() -> None:
    """So that Parameters explains the attributes too."""
    kinds = [owner for name in bf.__all__ if (owner := owner_of(name)) and issubclass(owner, Frozen)]
    assert kinds
    for kind in kinds:
        assert list(inspect.signature(kind).parameters) == list(kind._fields)


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ("One line.", {}),
        (
            "A\n\n    Parameters\n    ----------\n    a, b,\n    c\n        Text, of it.\n    d : int\n",
            {"Parameters": ["a", "b", "c", "d"]},
        ),
        ("A\n\n    Raises\n    ------\n    ValueError\n", {"Raises": ["ValueError"]}),
    ],
)
def test_how_sections_are_read(doc: str, expected: dict[str, list[str]]) -> None:
    assert {section: names_in(heads) for section, heads in sections_of(doc).items()} == expected


def test_names_are_plain() -> None:
    for name in CALLABLE:
        for parameter in names_in(sections_of(doc_of(name)).get("Parameters", [])):
            assert re.fullmatch(r"[a-z_0-9]+", parameter), (name, parameter)
