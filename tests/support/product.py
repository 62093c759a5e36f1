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


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)
