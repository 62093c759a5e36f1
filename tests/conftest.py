"""What every room's tests share: settings of Hypothesis, signals, log lines, and the fixtures of the databases."""

import gc
import signal
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.one_kind import left_out

# A busy machine is no defect.
settings.register_profile("any_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("any_machine"), max_examples=30)
settings.load_profile("any_machine")

GC_THRESHOLDS = (10_000, 20, 20)
"""Those of the service, see api/server.py: with Python's own, a start in the tests' process took 13 % more CPU."""
ON_ONE_DATABASE = [Path(__file__).parent / room for room in ("service", "programs", "faults")]
"""Rooms whose tests do not ask how SQL is written: tests/store does, and always runs on both databases."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have every test on both databases where that is asked for."""
    parser.addoption("--both", action="store_true", help="run each test of the service on both databases")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run a test of the service on one of the databases: on both they took 18 of the 20 minutes that CI has."""
    if config.getoption("both"):
        return
    among = [each.nodeid for each in items if any(room in each.path.parents for room in ON_ONE_DATABASE)]
    without = left_out(among)
    config.hook.pytest_deselected(items=[each for each in items if each.nodeid in without])
    items[:] = [each for each in items if each.nodeid not in without]


def pytest_configure(config: pytest.Config) -> None:
    """Make signals and log lines the same, whoever runs the tests; load the fixtures where tests run."""
    # Until all is imported and collected, as in main.py: 2 of 10.5 s of CPU, in each worker.
    gc.disable()
    # A shell starts what it puts into the background with SIGINT ignored, and every child inherits that: Ctrl-C
    # would be tried on programs that never hear of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # By default structlog paints every frame of an exception with its variables: 0.1 s of CPU each time.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.stdlib.add_log_level, plain])
    if not _only_starts_workers(config):
        config.pluginmanager.import_plugin("tests.support.fixtures")


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking through all that was imported: a tenth of the CPU of unit tests."""
    # What is garbage by now, 100,000 small objects, stays: to look for it took 0.7 s of CPU in each worker.
    gc.freeze()
    gc.enable()
    gc.set_threshold(*GC_THRESHOLDS)


def _only_starts_workers(config: pytest.Config) -> bool:
    """Whether this is xdist's main process. The fixtures import the service, and all workers wait for that."""
    distributes = config.getoption("dist") != "no" and bool(config.getoption("tx"))
    return distributes and not hasattr(config, "workerinput")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
