"""The shape of the code: who may import whom, how long things get, and that nothing hides in a module."""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from tests.support.product import ROOT, nodes, parsed

PACKAGES = ("api", "worker", "services", "llm", "store", "domain", "core", "client", "dashboard")

# From the roof down. What stands beside each other in a row must not import each other.
FLOORS = (
    ("main",),
    ("api",),
    ("worker", "services"),
    ("llm",),
    ("store",),
    ("models", "schemas", "rate_limiter"),
    ("domain",),
    ("core",),
)
# What the owner's card keeps at the top level belongs to a package all the same.
ROOM_OF = {
    "batch_processor": "worker",
    "grok_client": "llm",
    "database": "store",
    **dict.fromkeys(("access", "fields"), "services"),
}
# The same inside the packages that have floors of their own; a module or a sub-package is named by its path.
INNER_FLOORS = {
    "store": (
        ("database",),
        ("store.discovery", "store.reanalysis"),
        ("store.queue",),
        ("store.conversations", "store.topics"),
        ("store.insights",),
        ("store.search", "store.money", "store.access", "store.webhooks"),
        ("store.engine",),
    ),
    "worker": (
        ("batch_processor", "worker.summaries", "worker.jobs", "worker.webhooks", "worker.lane"),
        ("worker.reanalysis",),
        ("worker.dispatch",),
        ("worker.sources",),
        ("worker.claims",),
        ("worker.outcomes", "worker.accounting", "worker.packing"),
        ("worker.settlement",),
    ),
}
TOP_LEVEL = {
    "main",
    "access",
    # The specification names the command `python -m fields`.
    "fields",
    "models",
    "schemas",
    "database",
    "grok_client",
    "rate_limiter",
    "batch_processor",
    "ingest_data",
    "load_test",
    "demo",
    "dashboard",
}
# They use the service over HTTP, and know nothing else of it.
PROGRAMS = {"ingest_data", "load_test", "dashboard", "demo", "client"}
# What the bodies of help desks say is the same in a webhook and in a file: pure functions, the only ones that both use.
SHARED = "domain.helpdesk"
WAY_OUT = "move the shared part further down, or hand it in as an argument from above"

LONGEST_FUNCTION = 40
LONGEST_FILE, LONGEST_TEST = 300, 500
DECLARATIVE = {"models.py", "schemas.py", "vocabulary.py"}
"""Tables, what travels over HTTP, and what it means: long, and without a line of logic to follow."""


def sources(*folders: str) -> list[Path]:
    """Python files at the top and in these folders, but for what Alembic writes."""
    inside = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted([*ROOT.glob("*.py"), *inside])


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in sources(*PACKAGES)}


def room(name: str) -> str:
    """The package that a module belongs to, or its own name where it stands alone."""
    top = name.partition(".")[0]
    return ROOM_OF.get(top, top)


@cache
def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it."""
    return named(path, MODULES.keys()) & MODULES.keys()


def named(path: Path, known: Set[str]) -> set[str]:
    """The modules that a file imports by name, wherever in it; `known` tells a module from what is in one."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = absolute(path, node)
            inner = {f"{source}.{alias.name}" for alias in node.names}
            found |= inner & known or {source}
    return found


def absolute(path: Path, node: ast.ImportFrom) -> str:
    """The module that `from ... import` names, from the root also where it is named from where the file is."""
    above = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
    return ".".join([*above, *([node.module] if node.module else [])])


Floors = Sequence[Sequence[str]]


def floor_of(name: str, floors: Floors) -> int | None:
    """The floor, counted from the roof, on which a module stands; None where it stands on none of them."""
    for depth, names in enumerate(floors):
        if any(name == each or name.startswith(f"{each}.") for each in names):
            return depth
    return None


def rises(pairs: Iterable[tuple[str, str]], floors: Floors, place: Callable[[str], str]) -> list[str]:
    """The imports that run up or sideways, each with both files and the way out."""
    found = []
    for name, other in pairs:
        here, there = floor_of(place(name), floors), floor_of(place(other), floors)
        beside = here == there and not shares_a_room(place(name), place(other), floors)
        if here is not None and there is not None and (there < here or beside):
            found.append(
                f"{file_of(name)} imports {file_of(other)}, which is above it or beside it: {WAY_OUT}"
            )
    return found


def shares_a_room(one: str, other: str, floors: Floors) -> bool:
    rooms = (each for names in floors for each in names)
    return any(all(f"{name}.".startswith(f"{each}.") for name in (one, other)) for each in rooms)


def file_of(name: str) -> str:
    return str(MODULES[name].relative_to(ROOT))


def all_imports() -> list[tuple[str, str]]:
    return [(name, other) for name, path in MODULES.items() for other in sorted(imported(path) - {name})]


def test_the_top_level_holds_the_card_and_the_programs() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} <= TOP_LEVEL


def test_every_module_has_its_place() -> None:
    placed = {name for name in MODULES if floor_of(room(name), FLOORS) is not None}

    assert {name for name in MODULES if room(name) not in PROGRAMS} - placed == set()


def test_a_lower_room_never_imports_a_higher_one() -> None:
    assert rises(all_imports(), FLOORS, room) == []


@pytest.mark.parametrize("package", INNER_FLOORS)
def test_a_package_has_floors_too(package: str) -> None:
    inside = [pair for pair in all_imports() if {room(each) for each in pair} == {package}]
    floors = INNER_FLOORS[package]

    assert {name for name in MODULES if room(name) == package and floor_of(name, floors) is None} <= {package}
    assert rises(inside, floors, lambda name: name) == []


def test_an_import_that_runs_up_is_told_with_both_files_and_the_way_out() -> None:
    (told,) = rises([("core.clock", "api.errors")], FLOORS, room)
    (beside,) = rises([("worker.claims", "services.intake")], FLOORS, room)

    assert told.startswith("core/clock.py imports api/errors.py")
    assert told.endswith(WAY_OUT)
    assert beside.startswith("worker/claims.py imports services/intake.py")
    assert rises([("api.app", "core.clock"), ("worker.claims", "worker.outcomes")], FLOORS, room) == []


def test_nothing_below_the_api_knows_the_web_framework() -> None:
    wrong = [
        f"{file_of(name)} imports {module}: only api/ speaks HTTP; raise an error of core/errors.py instead"
        for name, path in MODULES.items()
        if room(name) not in {"api", "main"}
        for module in outside(path)
        if module.partition(".")[0] in {"fastapi", "starlette", "uvicorn"}
    ]

    assert wrong == []


def outside(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_programs_know_nothing_of_the_server() -> None:
    wrong = [
        f"{file_of(name)} imports {file_of(other)}: a program knows only HTTP and client/"
        for name, other in all_imports()
        if room(name) in PROGRAMS and room(other) not in PROGRAMS and not other.startswith(SHARED)
    ]

    assert wrong == []


def test_what_server_and_programs_share_imports_nothing_else_of_ours() -> None:
    shared = [name for name in MODULES if name.startswith(SHARED)]

    assert shared
    assert [
        other for name in shared for other in imported(MODULES[name]) if not other.startswith(SHARED)
    ] == []


def test_nothing_imports_in_a_circle() -> None:
    graph = {name: imported(path) - {name} for name, path in MODULES.items()}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(str(circle))


# --- tests and benchmarks -----------------------------------------------------------------------------------

HELPERS = {module(path): path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")}
OUTWARD = {"asyncpg", "socket", "sqlite3", "subprocess", "uvicorn", "websockets"}


@cache
def helpers(path: Path) -> set[str]:
    """The modules that a file imports by name, those of tests and benchmarks among them."""
    return named(path, HELPERS.keys())


def reached(path: Path) -> set[str]:
    """The modules that a file of tests or benchmarks imports, by itself or by way of another of them."""
    found, left = set[str](), [path]
    while left:
        new = helpers(left.pop()) - found
        found |= new
        left += [HELPERS[name] for name in new & HELPERS.keys()]
    return found


def test_a_unit_test_imports_nothing_that_reaches_out() -> None:
    """Benchmarks apart: a unit test of their arithmetic imports all of one. tests/unit/conftest.py sees to the rest."""
    wrong = [
        f"{path.name} imports {name}: move the test to the room that may, or what it uses into a pure module"
        for path in (ROOT / "tests" / "unit").glob("*.py")
        if not path.name.startswith("test_benchmark_")
        for name in sorted(reached(path))
        if {name, name.partition(".")[0]} & OUTWARD
    ]

    assert wrong == []


def test_benchmarks_import_nothing_from_the_tests_but_the_fake_grok() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}, itself or by way of another: move it to benchmarks/support/"
        for path in (ROOT / "benchmarks").rglob("*.py")
        for name in sorted(reached(path))
        if name.startswith("tests") and not name.startswith("tests.fake_grok")
    ]

    assert wrong == []


ROOMS = {"unit", "store", "service", "faults", "programs", "dashboard"}


def test_every_test_stands_in_a_room() -> None:
    rooms = {
        path.parent.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")
    }

    assert rooms <= ROOMS


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        name
        for name, path in MODULES.items()
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
        if room(name) not in PROGRAMS
    }

    assert readers == {"core.settings"}


def test_only_the_store_and_the_database_speak_sql() -> None:
    speakers = {
        room(name)
        for name, path in MODULES.items()
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"
        if {alias.name for alias in node.names} & {"select", "insert", "update", "delete", "text"}
    }

    assert speakers <= {"store", "models"}


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
        if name.startswith("api.routes.") and hasattr(import_module(name), "router")
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
        if path.name not in DECLARATIVE and length > (LONGEST_TEST if "tests" in path.parts else LONGEST_FILE)
    } == {}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
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
        changes = {changed(node) for node in nodes(path)}

        assert {table for table in tables if not table.isupper() and not table.startswith("__")} == set(), (
            name
        )
        assert tables & changes == set(), name
        assert not any(isinstance(node, ast.Global) for node in nodes(path)), name


def test_no_test_replaces_what_it_tests() -> None:
    forbidden = ("unittest" + ".mock", "monkeypatch" + ".setattr", "pytest" + "-mock")

    guilty = [
        path.name
        for path in (ROOT / "tests").rglob("*.py")
        if any(word in path.read_text() for word in forbidden)
    ]

    assert guilty == []
