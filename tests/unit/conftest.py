"""Unit tests do no I/O: one that reaches for a socket, a database or a process fails."""

import sys
import threading
from collections.abc import Iterator, Set

import pytest

FORBIDDEN = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.posix_spawn",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "sqlite3.connect",
        "subprocess.Popen",
    }
)


class Guard:
    """Refuses forbidden events while it is on, and remembers them: whatever reached out may swallow the error."""

    def __init__(self) -> None:
        self.is_on = False
        self.refused: list[str] = []
        # A thread of another room's test, such as a page's seat in a chat, looks for its service for ever.
        self.others: Set[threading.Thread] = frozenset()

    def __call__(self, event: str, _arguments: object) -> None:
        if self.is_on and event in FORBIDDEN and threading.current_thread() not in self.others:
            self.refused.append(event)
            raise RuntimeError(f"a unit test does no I/O, and this is {event}: move it to the room that may")


@pytest.fixture(scope="session")
def guard() -> Guard:
    """The process's guard; an audit hook stays until the process ends."""
    made = Guard()
    sys.addaudithook(made)
    return made


@pytest.fixture(autouse=True)
def no_io(guard: Guard) -> Iterator[None]:
    guard.refused.clear()
    guard.others = {*threading.enumerate()} - {threading.current_thread()}
    guard.is_on = True
    yield
    guard.is_on = False
    assert guard.refused == []
