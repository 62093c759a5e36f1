"""The shape of the code: who may import whom, how long things get, and that nothing hides in a module."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

ROOT = Path(__file__).parent.parent
PACKAGES = ("routes", "store", "offline", "summarising", "client")

# From the roof down; a room imports only rooms further down. Inside a package any order without a circle will do.
LAYERS = [
    {"main"},
    {"lifespan"},
    {"routes", "transcript", "live_summaries"},
    {"chat_views", "summary_views"},
    {"resources", "views", "exports", "openapi", "parsing"},
    {"chats"},
    {"batch_processor", "summarising", "middleware", "intake", "live", "retention"},
    {"claims", "dispatch", "indexing", "monitor", "removal"},
    {"providers"},
    {"bookkeeping", "decisions", "fallback", "grok_client", "offline_analyzer"},
    {"outbound"},
    {"gate", "canary"},
    {"ledger"},
    {"store", "offline"},
    {"chat_models", "chat_schemas"},
    {"completions", "prices", "buckets", "summary_prompts"},
    {"summary_answers"},
    {"prompts", "settling", "summaries"},
    {
        "analysis",
        "brake",
        "circuit_breaker",
        "errors",
        "metrics",
        "models",
        "rate_limiter",
        "schemas",
        "supervision",
    },
    {
        "columns",
        "debounce",
        "disk",
        "database",
        "group_commit",
        "batching",
        "endings",
        "lanes",
        "logs",
        "problems",
        "search_text",
        "streaming",
        "text",
        "times",
        "topics",
    },
    {"backup", "readers", "writers"},
    {"settings", "cpus"},
]
# They use the service over HTTP, and know of it only what travels there.
PROGRAMS = {"client", "ingest_data", "load_test", "dashboard", "demo"}
SHARED = {"schemas"}

LONGEST_FUNCTION = 40
LONGEST_FILE, LONGEST_TEST = 300, 500


def sources(*folders: str) -> list[Path]:
    """Python files at the top and in these folders, but for what Alembic writes."""
    inside = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted([*ROOT.glob("*.py"), *inside])


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in sources(*PACKAGES)}


def room(name: str) -> str:
    """The module, or the package that it is in."""
    return name.partition(".")[0]


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & MODULES.keys() or {node.module}
    return found & MODULES.keys()


DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}


def test_every_module_has_its_place() -> None:
    assert {room(name) for name in MODULES} - PROGRAMS - DEPTH.keys() == set()


def test_a_lower_room_never_imports_a_higher_one() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, path in MODULES.items()
        for other in imported(path)
        if room(name) in DEPTH and room(name) != room(other)
        if room(other) in PROGRAMS or DEPTH[room(other)] <= DEPTH[room(name)]
    ]

    assert wrong == []


def test_programs_know_nothing_of_the_server_but_what_travels() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, path in MODULES.items()
        for other in imported(path)
        if room(name) in PROGRAMS and room(other) not in PROGRAMS | SHARED
    ]

    assert wrong == []


def test_nothing_imports_in_a_circle() -> None:
    graph = {name: imported(path) - {name} for name, path in MODULES.items()}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(str(circle))


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
        if room(name) not in PROGRAMS
    }

    assert readers == {"settings"}


def test_only_the_store_and_the_database_speak_sql() -> None:
    speakers = {
        room(name)
        for name, path in MODULES.items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"
        if {alias.name for alias in node.names} & {"select", "insert", "update", "delete", "text"}
    }

    assert speakers <= {"store", "database", "models", "columns"}


def called(dependant: Dependant) -> Iterator[Callable[..., object]]:
    """What FastAPI calls to answer a request: the route's function and all that it depends on."""
    if dependant.call is not None:
        yield dependant.call
    for inner in dependant.dependencies:
        yield from called(inner)


def test_no_request_visits_a_thread_to_be_understood() -> None:
    """FastAPI runs in a thread what is no coroutine: 0.3 ms of CPU for each, more than the work in it."""
    routers = (
        import_module(name).router
        for name in MODULES
        if room(name) == "routes" and hasattr(import_module(name), "router")
    )
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]

    assert routes
    assert {
        function
        for route in routes
        for function in called(route.dependant)
        if not iscoroutinefunction(function)
    } == set()


# --- sizes --------------------------------------------------------------------------------------------------


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources(*PACKAGES, "benchmarks", "tests")}

    assert {
        str(path.relative_to(ROOT)): length
        for path, length in lengths.items()
        if length > (LONGEST_TEST if "tests" in path.parts else LONGEST_FILE)
    } == {}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_function_is_longer_than_forty_lines() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in sources(*PACKAGES, "benchmarks")
        for function in functions(path)
    }

    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


# --- state --------------------------------------------------------------------------------------------------

MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_MAKERS = {
    "list",
    "dict",
    "set",
    "defaultdict",
    "deque",
    "Counter",
    "OrderedDict",
    "bytearray",
    "count",
}
MUTATORS = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "clear"}


def made_at_import(path: Path) -> Iterator[tuple[str, ast.expr]]:
    """The names that a module gives values to, and what those are made of."""
    for node in parsed(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and value is not None:
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))


def is_mutable(value: ast.expr) -> bool:
    made_by = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else None
    return isinstance(value, MUTABLE_DISPLAYS) or made_by in MUTABLE_MAKERS


def changed(node: ast.AST) -> str | None:
    """The name of what a statement or a call changes in place, or None."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in MUTATORS:
            return name
    return None


def test_no_module_holds_state() -> None:
    """What a module makes at import and could be changed is a table: it has a constant's name, and nobody does."""
    for name, path in MODULES.items():
        tables = {made for made, value in made_at_import(path) if is_mutable(value)}
        changes = {changed(node) for node in ast.walk(parsed(path))}

        assert {table for table in tables if not table.isupper() and not table.startswith("__")} == set(), (
            name
        )
        assert tables & changes == set(), name
        assert not any(isinstance(node, ast.Global) for node in ast.walk(parsed(path))), name


def test_no_test_replaces_what_it_tests() -> None:
    forbidden = ("unittest" + ".mock", "monkeypatch" + ".setattr", "pytest" + "-mock")

    guilty = [
        path.name
        for path in (ROOT / "tests").rglob("*.py")
        if any(word in path.read_text() for word in forbidden)
    ]

    assert guilty == []
