"""This version beside another one, in turn: `python -m benchmarks.versus REF [--rounds 3] [--only NAME ...]`.

REF is a commit. It is checked out into a temporary folder with a virtual environment of its own. Each round runs the
same short programs in both, the one that went first last time second; figures are medians over the rounds, and the
ratio is the median of each round's ratio, because machines slow down and speed up while they are measured.
"""

import argparse
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.results import ROOT, Result

SHORT: Mapping[str, Sequence[str]] = {
    "intake": ("--rounds", "1", "--seconds", "4"),
    "engine": ("--latency", "0.2", "--queued", "5000"),
    "queries": ("--rows", "300000", "--rounds", "1"),
    "footprint": ("--queued", "20000"),
}
"""The programs, and how they are kept to a minute or two."""
Rounds = dict[tuple[str, str], list[tuple[float, float]]]
"""Of each program's figure, in each round: the other version's value and this one's."""


def main() -> int:
    """Measure and print. 0, or the exit code of git where REF is not a commit."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.versus", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("ref", metavar="REF", help="a commit, branch or tag")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=SHORT, default=list(SHORT))
    given = parser.parse_args()
    with checked_out(given.ref) as other:
        found = measured(other, given.only, given.rounds)
    show(given.ref, found)
    return 0


@contextmanager
def checked_out(ref: str) -> Iterator[Path]:
    """The files of a commit in a folder, with a `.venv` that has what they need."""
    with TemporaryDirectory(prefix="versus-") as folder:
        tree = Path(folder) / "tree"
        _run(["git", "worktree", "add", "--detach", str(tree), ref], ROOT)
        try:
            _run([sys.executable, "-m", "venv", ".venv"], tree)
            install = ["-m", "pip", "install", "--quiet", "-r", "requirements-dev.txt"]
            _run([str(python_of(tree)), *install], tree)
            yield tree
        finally:
            _run(["git", "worktree", "remove", "--force", str(tree)], ROOT)


def python_of(tree: Path) -> Path:
    """The interpreter that a version runs with."""
    return Path(sys.executable) if tree == ROOT else tree / ".venv" / "bin" / "python"


def measured(other: Path, programs: Sequence[str], rounds: int) -> Rounds:
    """Run the programs in both versions, round after round."""
    found: Rounds = defaultdict(list)
    for number in range(rounds):
        for program in programs:
            order = (other, ROOT) if number % 2 == 0 else (ROOT, other)
            figures = {tree: _figures(tree, program) for tree in order}
            for name in figures[other].keys() & figures[ROOT].keys():
                found[program, name].append((figures[other][name], figures[ROOT][name]))
    return found


def _figures(tree: Path, program: str) -> dict[str, float]:
    # Exit code 1 says that a limit does not hold; here only the two versions are compared.
    subprocess.run(  # noqa: S603  our own
        [str(python_of(tree)), "-m", f"benchmarks.{program}", *SHORT[program]],
        cwd=tree,
        check=False,
        stdout=subprocess.DEVNULL,
    )
    kept = (tree / "benchmarks" / "results" / f"{program}.json").read_text()
    return {figure.name: figure.value for figure in Result.model_validate_json(kept).figures}


def show(ref: str, found: Rounds) -> None:
    """Print a row for each figure."""
    table = Table("program", "figure", ref[:12], "this version", "ratio", "of each round")
    for (program, name), pairs in found.items():
        ratios = [new / old for old, new in pairs if old]
        old, new = (median(side) for side in zip(*pairs, strict=True))
        each = " ".join(f"{ratio:.2f}" for ratio in ratios)
        table.add_row(program, name, f"{old:,.4g}", f"{new:,.4g}", f"{median(ratios or [1]):.2f}", each)
    Console(highlight=False, markup=False, width=160).print(table)


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  our own


if __name__ == "__main__":
    raise SystemExit(main())
