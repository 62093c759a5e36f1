"""The tree of errors in `core/errors.py` is complete, and every error says what it means."""

import ast
import builtins
import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from core import errors
from core.errors import InsightsError
from tests.support.product import MODULES, nodes

BRANCH = re.compile(r"^([ │]*)[├└]─ (\w+)", re.MULTILINE)
ROOT_OF_ALL = InsightsError.__name__
STEP = 4
"""Columns by which a branch is indented; the first level has one."""


def drawn(text: str) -> dict[str, str]:
    """The parent of each class in a drawing."""
    path = [ROOT_OF_ALL]
    parents: dict[str, str] = {}
    for indent, name in BRANCH.findall(text):
        depth = 1 + len(indent) // STEP
        path[depth:] = [name]
        parents[name] = path[depth - 1]
    return parents


class Written(NamedTuple):
    """A class as it is written."""

    name: str
    bases: tuple[str, ...]
    is_explained: bool


@cache
def all_errors() -> tuple[Written, ...]:
    """Every error of ours. They are read: to import them all takes CPU in every process that looks for tests."""
    classes = [as_written(node) for path in MODULES for node in nodes(path) if isinstance(node, ast.ClassDef)]
    names = {ROOT_OF_ALL}
    while more := {each.name for each in classes if names & {*each.bases}} - names:
        names |= more
    return tuple(each for each in classes if names & {*each.bases})


def as_written(node: ast.ClassDef) -> Written:
    bases = tuple(ast.unparse(base).rpartition(".")[2] for base in node.bases)
    return Written(node.name, bases, bool(ast.get_docstring(node)))


def test_the_drawing_is_the_tree() -> None:
    ours = {ROOT_OF_ALL, *(kind.name for kind in all_errors())}
    real = {kind.name: base for kind in all_errors() for base in kind.bases if base in ours}

    assert drawn(errors.__doc__ or "") == real


def test_every_error_says_what_it_means() -> None:
    assert [kind.name for kind in all_errors() if not kind.is_explained] == []


def is_exception(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)


def outside_the_tree(written: Iterable[ast.AST]) -> list[str]:
    """Public classes that derive from an exception of Python or of a library, and not from one of ours."""
    ours = {ROOT_OF_ALL, *(kind.name for kind in all_errors())}
    found = []
    for node in written:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = as_written(node).bases
            raised = any(is_exception(base) or base.endswith(("Exception", "Error")) for base in bases)
            if raised and not ours & set(bases):
                found.append(node.name)
    return found


def test_no_public_error_grows_outside_the_tree() -> None:
    outside = {str(path): outside_the_tree(nodes(path)) for path in MODULES}

    assert {path: names for path, names in outside.items() if names} == {"core/errors.py": ["InsightsError"]}


def test_an_error_outside_the_tree_is_found() -> None:
    for base in ("Exception", "ValueError", "HTTPException", "httpx.HTTPError"):
        assert outside_the_tree(ast.walk(ast.parse(f"class Stray({base}): ..."))) == ["Stray"]
    assert outside_the_tree(ast.walk(ast.parse("class _Private(Exception): ..."))) == []
    assert outside_the_tree(ast.walk(ast.parse("class Fits(Refusal): ..."))) == []
