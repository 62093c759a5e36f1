"""The programs that `make test-kit` runs: those in `.venv-kit`, and those of Debian's packages."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.support.process import ROOT

VENV = ROOT / ".venv-kit" / "bin"
DEPLOY = ROOT / "deploy"
VIRTUAL = Path(sys.executable).parent
"""With `python` of the virtual environment, as the units have it on PATH."""


def run(
    *command: str | Path, folder: Path = ROOT, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, in a folder, with no variable but these."""
    given = {"PATH": f"{VIRTUAL}:{os.environ['PATH']}", **(environ or {})}
    path = shutil.which(str(command[0]), path=given["PATH"])
    assert path, f"{command[0]} is not installed"
    return subprocess.run(
        [path, *map(str, command[1:])], cwd=folder, env=given, check=False, capture_output=True, text=True
    )
