"""A start with REDACTION: what is wrong is one line that names it, and without it nothing of it is loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.support.process import ROOT
from domain.redaction.patterns import load_patterns
from tests.support.forks import Forks


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("KD-\\d+\n(unclosed\n", "line 2: is not a regular expression of RE2: missing ): (unclosed"),
        (
            "\n# a comment\n\n(?=x)\n",
            "line 4: is not a regular expression of RE2: invalid perl operator: (?=",
        ),
        ("(a)\\1", "line 1: is not a regular expression of RE2: invalid escape sequence: \\1"),
        ("x*", "line 1: matches an empty text, so it would match everywhere"),
        ("a\n(b{1000}){1000}", "line 2: is not a regular expression of RE2: invalid repetition size: {1000}"),
    ],
)
def test_a_bad_pattern_is_one_line_with_file_and_number(
    forks: Forks, lines: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "patterns.txt").write_text(lines)

    said = forks.refused(tmp_path, REDACTION="outgoing", REDACTION_PATTERNS="patterns.txt")

    assert said.startswith(f"cannot start: REDACTION_PATTERNS: patterns.txt, {why}")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"REDACTION_PATTERNS": "nowhere.txt"},
            "REDACTION_PATTERNS: nowhere.txt cannot be read: No such file or directory",
        ),
        ({"REDACTION_PATTERNS": "latin.txt"}, "REDACTION_PATTERNS: latin.txt is not UTF-8"),
        ({"REDACTION_REGIONS": "US,zz"}, "REDACTION_REGIONS: ZZ is not a two-letter code of a country"),
        ({"REDACTION": "maybe"}, "REDACTION: must be one of off, outgoing, stored"),
    ],
)
def test_a_bad_setting_is_one_line(forks: Forks, environ: dict[str, str], line: str, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("Bücher".encode("latin-1"))

    assert forks.refused(tmp_path, **{"REDACTION": "stored", **environ}) == f"cannot start: {line}\n"


def test_patterns_are_found_and_none_can_take_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "patterns.txt"
    file.write_text("\ufeffKD-\\d{4}\r\n  (x+x+)+y  \n\\b\n")
    patterns = load_patterns(file)

    found = list(patterns.find(f"KD-4711 and {'x' * 20_000}"))

    assert [(each.start, each.end, each.kind) for each in found] == [(0, 7, "custom")]


@pytest.mark.parametrize(("mode", "loaded"), [("off", []), ("stored", ["phonenumbers", "re2", "stdnum"])])
def test_what_finds_personal_data_is_loaded_only_where_it_is_asked_for(mode: str, loaded: list[str]) -> None:
    """`phonenumbers` alone would take several megabytes of a service that does not need it."""
    program = f"""
import json, sys
import main
from core.settings import Settings
from services.redaction import open_redaction
open_redaction(Settings(_env_file=None, redaction={mode!r}))
print(json.dumps(sorted({{"phonenumbers", "re2", "stdnum"}} & set(sys.modules))))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert json.loads(run.stdout) == loaded
