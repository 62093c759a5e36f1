"""The tree of errors in `core/errors.py` is complete, and every error says what it means."""

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from inspect import getdoc

from core import errors
from core.errors import InsightsError
from tests.support.product import MODULES, module_name, nodes

BRANCH = re.compile(r"^([ │]*)[├└]─ (\w+)", re.MULTILINE)
STEP = 4
"""Columns by which a branch is indented; the first level has one."""


def drawn(text: str) -> dict[str, str]:
    """The parent of each class in a drawing."""
    path = [InsightsError.__name__]
    parents: dict[str, str] = {}
    for indent, name in BRANCH.findall(text):
        depth = 1 + len(indent) // STEP
        path[depth:] = [name]
        parents[name] = path[depth - 1]
    return parents


def subclasses(error: type[Exception]) -> Iterator[type[Exception]]:
    for kind in error.__subclasses__():
        yield kind
        yield from subclasses(kind)


# Here and not in a test, which does no I/O: a library of discovery binds a socket when it is imported.
for path in MODULES:
    import_module(module_name(path))


def all_errors() -> list[type[Exception]]:
    product = {module_name(path) for path in MODULES}
    return [kind for kind in subclasses(InsightsError) if kind.__module__ in product]


def test_the_drawing_is_the_tree() -> None:
    real = {
        kind.__name__: base.__name__
        for kind in all_errors()
        for base in kind.__bases__
        if issubclass(base, InsightsError)
    }

    assert drawn(errors.__doc__ or "") == real


def test_every_error_says_what_it_means() -> None:
    assert [kind.__name__ for kind in all_errors() if not vars(kind).get("__doc__") or not getdoc(kind)] == []


def is_exception(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)


def outside_the_tree(written: Iterable[ast.AST]) -> list[str]:
    """Public classes that derive from an exception of Python or of a library, and not from one of ours."""
    ours = {kind.__name__ for kind in subclasses(InsightsError)} | {InsightsError.__name__}
    found = []
    for node in written:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
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
