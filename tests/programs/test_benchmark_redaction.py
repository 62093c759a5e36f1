"""The benchmark of redaction: how it counts, that it copes without the texts, and its figures where they are there."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.redaction import DATA, FITTED, READERS, ROOT, Score, add, labels, measured
from domain.redaction.detections import Detection


def test_a_number_counts_as_found_if_all_of_it_would_be_replaced() -> None:
    score = Score()

    add(score, [Detection(10, 22, "phone"), Detection(40, 50, "phone")], [(9, 22), (60, 70)])
    add(score, [Detection(0, 8, "phone")], [(0, 10)])
    add(score, [], [])

    assert (score.texts, score.found, score.missed, score.false) == (3, 1, 2, 1)
    assert (score.precision, score.recall) == (1 / 2, 1 / 3)


def test_the_labels_are_places_in_known_files() -> None:
    assert {name for name, _ in labels()} <= READERS.keys()
    assert all(7 <= end - start <= 25 for places in labels().values() for start, end in places)


def test_without_the_texts_it_names_the_file_that_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, f"{ROOT}/benchmarks/redaction.py", "--data", f"{tmp_path}"]

    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run.returncode == 2
    assert run.stderr == f"the texts are not there: {tmp_path / FITTED[0]}\n"


@pytest.mark.parametrize("regions", [("US", "GB", "IN"), ("US", "GB", "IN", "NG", "JP", "FR", "SA")])
@pytest.mark.parametrize(("files", "phones"), [(FITTED, 55), (sorted(READERS.keys() - set(FITTED)), 15)])
def test_phones_of_real_texts_are_found_and_little_else(
    files: list[str], phones: int, regions: tuple[str, ...]
) -> None:
    if not all((DATA / name).exists() for name in files):
        pytest.skip("the public texts are not here")

    score = measured(DATA, regions, files)

    assert score.found + score.missed == phones
    assert score.precision >= 0.97
    assert score.recall >= 0.87
