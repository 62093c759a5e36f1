"""Servers that start an application several times: on an SQLite file that is refused in one line."""

import multiprocessing
from collections.abc import Sequence

from core.settings import Settings

REFUSAL = (
    "{name}: an SQLite file has a single process; use DATABASE_URL=postgresql://... for several (docs/SCALING.md),"
    " or ask for one"
)
FIRST = "SpawnProcess-1"
"""The name of the first process that uvicorn starts; all of them are refused, and one of them says why."""
STARTUP_FAILURE = 3
"""The exit code of a process at which uvicorn stops all; after any other it starts it again, for ever."""


def several(arguments: Sequence[str], web_concurrency: int) -> str | None:
    """What asks for more than one process; None if nothing does."""
    option = _option(arguments)
    # The option wins, as it does in uvicorn.
    if option:
        return "--workers" if option.isdecimal() and int(option) > 1 else None
    return "WEB_CONCURRENCY" if web_concurrency > 1 else None


def refusal(arguments: Sequence[str], settings: Settings) -> str | None:
    """Why several processes may not serve this database; None if they may, or only one is asked for."""
    name = several(arguments, settings.web_concurrency)
    return REFUSAL.format(name=name) if name and settings.database_url.startswith("sqlite") else None


def is_further_child() -> bool:
    """Whether another process that was started beside this one says what both would say."""
    started_by = multiprocessing.parent_process()
    return started_by is not None and multiprocessing.current_process().name != FIRST


def exit_code(misuse: int) -> int:
    """`misuse`, or for a process that uvicorn started the code at which that gives up."""
    return misuse if multiprocessing.parent_process() is None else STARTUP_FAILURE


def _option(arguments: Sequence[str]) -> str:
    for option, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if option == "--workers":
            return following
        if option.startswith("--workers="):
            return option.partition("=")[2]
    return ""
