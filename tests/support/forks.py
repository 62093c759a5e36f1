"""Programs run in forks of a process that has imported them: importing takes each of them 1 to 2 s of CPU."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.support.process import ROOT, free_port

MISUSE = 2

# A run is a line: its folder, its environment, its arguments. It ends as any process does: it leaves an exit code, and
# shows exceptions that nobody caught. Only what was imported is not taken down: that takes longer than most runs.
PROGRAM = """
import gc, json, os, runpy, signal, sys, tempfile, traceback
import access, database, main

gc.freeze()

def become(folder, environ, arguments, out, err):
    for number, file in enumerate((open(os.devnull), out, err)):
        os.dup2(file.fileno(), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(sys.argv[0], run_name="__main__")

def leave(code):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            # A start that is not refused serves for ever: once, in a suite that waited for it for eleven minutes.
            signal.alarm(120)
            try:
                become(*json.loads(line), out, err)
            except SystemExit as ended:
                leave(ended.code or 0)
            except BaseException:
                traceback.print_exc()
                leave(1)
            leave(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0), err.seek(0)
        print(json.dumps([code, out.read().decode(), err.read().decode()]), flush=True)
"""


class Forks:
    """Runs `main.py`, `-m access` and `-m database` as processes of their own, without their imports.

    What Python itself reads at its start, as PYTHONIOENCODING, comes too late here.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(
        self, folder: Path, environ: Mapping[str, object], *arguments: str
    ) -> "subprocess.CompletedProcess[str]":
        """What Python would have done with these arguments in that folder."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        variables = {"PATH": os.environ["PATH"], **{name: str(value) for name, value in environ.items()}}
        self._process.stdin.write(json.dumps([str(folder), variables, arguments]) + "\n")
        self._process.stdin.flush()
        code, said, complained = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, said, complained)

    def refused(self, folder: Path, **environ: object) -> str:
        """All that a start of the service says that has to fail with exit code 2."""
        given = {"HOST": "127.0.0.1", "PORT": free_port(), **environ}
        done = self.run(folder, given, str(ROOT / "main.py"))
        assert done.returncode == MISUSE, done
        return done.stdout + done.stderr


@contextmanager
def forking() -> Iterator[Forks]:
    """The process that forks, while the block runs."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    ) as started:
        yield Forks(started)
        assert started.stdin is not None
        started.stdin.close()
