"""The benchmark of the offline analyzer, as a program."""

import subprocess
import sys
from pathlib import Path

from benchmarks.offline_quality import (
    ROOT,
)


def test_the_benchmark_names_the_files_it_does_not_find(tmp_path: Path) -> None:
    command = [sys.executable, f"{ROOT}/benchmarks/offline_quality.py", "--data", f"{tmp_path}"]

    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert run.stdout.count("skipped") == 3
    assert str(tmp_path / "airline_half.csv") in run.stdout
