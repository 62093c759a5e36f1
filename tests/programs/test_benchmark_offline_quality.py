"""The benchmark of the offline analyzer, as a program."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.offline_quality import ROOT, Labelled
from benchmarks.offline_weights import Sets, count, cross_judged


def test_the_benchmark_names_the_files_it_does_not_find(tmp_path: Path) -> None:
    command = [sys.executable, f"{ROOT}/benchmarks/offline_quality.py", "--data", f"{tmp_path}"]

    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert run.stdout.count("skipped") == 3
    assert str(tmp_path / "airline_half.csv") in run.stdout


def test_weights_are_judged_on_rows_that_they_were_not_fitted_on() -> None:
    said = {-1: "The driver was rude", 0: "A door", 1: "The driver was wonderful"}
    rows = [Labelled(f"{text} {number}", band) for number in range(20) for band, text in said.items()]
    bands = np.array([row.band for row in rows])
    sets = Sets(rows, np.array([count(row.text) for row in rows], float), bands, np.arange(60) % 2)

    class Halves:
        """The second half is judged by the first, and the other way round."""

        def split(self, *_: object) -> list[tuple[Any, Any]]:
            first, second = np.arange(30), np.arange(30, 60)
            return [(first, second), (second, first)]

    found = cross_judged(sets, Halves())

    assert [each.sentiment for each in found] == bands.tolist()
