"""The service, started again and again for a fraction of what it costs: a process that has read the modules forks.

Importing takes 2.6 s of CPU, which a start from nothing has to spend. `python -m tests.faults.forked` reads them once.
For each line of its input it forks a process that becomes the service, waits until that is gone, and says how it ended.
"""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.support.process import PATIENCE, ROOT, Process


class ForkedProcess(Process):
    """A service that is a real process to be killed, started by a fork."""

    def start(self, **environ: Any) -> None:
        """Start it (again), on the same port and database; `environ` counts from now on."""
        self._environ |= {name: str(value) for name, value in environ.items()}
        if self._process is None:
            self._process = Forks()
        order = {"environ": self._environ, "folder": str(self._folder), "output": str(self.output)}
        self._process.fork(order)  # type: ignore[attr-defined]
        if self._wait:
            self.until_healthy()

    def __exit__(self, kind: object, failure: BaseException | None, trace: object) -> None:
        super().__exit__(kind, failure, trace)
        if self._process is not None:
            self._process.close()  # type: ignore[attr-defined]


class Forks(subprocess.Popen[bytes]):
    """Who forks. To be killed and waited for is the process that was forked last."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.forked"]
        super().__init__(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._child, self._code = 0, 0

    def fork(self, order: dict[str, Any]) -> None:
        if self.stdin is None:
            raise RuntimeError("nobody can be told")
        self.stdin.write(json.dumps(order).encode() + b"\n")
        self.stdin.flush()
        self._child = int(self._line(PATIENCE) or 0)

    def poll(self) -> int | None:
        if self._child and (said := self._line(0)) is not None:
            self._child, self._code = 0, int(said)
        return None if self._child else self._code

    def wait(self, timeout: float | None = None) -> int:
        if self._child:
            said = self._line(PATIENCE if timeout is None else timeout)
            if said is None:
                raise subprocess.TimeoutExpired("a fork", timeout or PATIENCE)
            self._child, self._code = 0, int(said)
        return self._code

    def send_signal(self, sig: int) -> None:
        if self._child:
            os.kill(self._child, sig)

    def close(self) -> None:
        """It ends with its input."""
        if self.stdin is not None:
            self.stdin.close()
        super().wait(PATIENCE)
        if self.stdout is not None:
            self.stdout.close()

    def _line(self, seconds: float) -> bytes | None:
        """What it says next, if it does so in time."""
        if self.stdout is None or not select.select([self.stdout], [], [], seconds)[0]:
            return None
        said = self.stdout.readline()
        if not said:
            raise RuntimeError("who forks has ended")
        return said


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def serve() -> None:
    """Fork for each order, one after the other."""
    import main

    for line in sys.stdin.buffer:
        if (child := os.fork()) == 0:
            order = json.loads(line)
            os.environ.clear()
            os.environ.update(order["environ"])
            os.chdir(order["folder"])
            into = os.open(order["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for at, to in ((0, nothing), (1, into), (2, into)):
                os.dup2(to, at)
            sys.argv = [str(Path(ROOT) / "main.py")]
            raise SystemExit(main.main())
        _say(child)
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    # An end that is meant for the program ends it first; this one ends with its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve()
