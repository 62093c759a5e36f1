"""The product's own modules, for tests that read or import all of them."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "worker", "services", "llm", "store", "domain", "core")
CARD = ("main", "models", "schemas", "database", "grok_client", "rate_limiter", "batch_processor")
"""Modules at the top level that belong to the service; programs know only HTTP and are left out."""

MODULES = sorted(
    [
        *(Path(f"{name}.py") for name in CARD),
        *(
            path.relative_to(ROOT)
            for package in PACKAGES
            for path in (ROOT / package).rglob("*.py")
            if path.name != "__init__.py"
        ),
    ]
)
"""Paths relative to the repository."""


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, by its path in the repository or on the machine."""
    return _parsed(ROOT / path)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file's syntax tree, as `ast.walk` gives them, which takes nearly twice the CPU."""
    found: list[ast.AST] = [parsed(path)]
    for node in found:
        for name in node._fields:
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                found += [each for each in inner if isinstance(each, ast.AST)]
            elif isinstance(inner, ast.AST):
                found.append(inner)
    return tuple(found)
