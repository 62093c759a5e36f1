"""`deploy/backup/backup.sh` with a real restic: made, sent, pruned, and walked back to a service that answers.

Run with `make test-kit`. The repository is a folder here; restic treats a far one the same way.
"""

import asyncio
import fcntl
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import URL

from benchmarks.support import databases
from benchmarks.support.process import POSTS, Json, Process, address
from tests.kit.tools import DEPLOY, VIRTUAL, run
from tests.support import postgresql_programs

SCRIPT = DEPLOY / "backup" / "backup.sh"
LATE = "My parcel is three days late and nobody answers"
FETCH = 'restic dump --tag insights-platform latest "$1/insights.backup" > "$2"'
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Place:
    """A database, where its backup is made, and the repository that it goes to."""

    folder: Path
    database: URL

    @property
    def environ(self) -> dict[str, str]:
        """What the timer's unit has."""
        return {
            "PATH": f"{VIRTUAL}:{postgresql_programs.PATH}",
            "DATABASE_URL": address(self.database),
            "RESTIC_REPOSITORY": str(self.folder / "repository"),
            "RESTIC_PASSWORD": "of a test",
            "RESTIC_CACHE_DIR": str(self.folder / "cache"),
        }

    def restic(self, *arguments: str) -> Done:
        return run("restic", *arguments, environ=self.environ)

    def database_command(self, *arguments: str) -> Done:
        return run("python", "-m", "database", *arguments, environ=self.environ)

    def back_up(self, **environ: str) -> Done:
        return run(SCRIPT, self.folder / "backup", environ={**self.environ, **environ})

    def snapshots(self) -> list[Json]:
        listed: list[Json] = json.loads(self.restic("snapshots", "--json").stdout)
        return listed

    @contextmanager
    def service(self) -> Iterator[Process]:
        with Process(self.folder, DATABASE_URL=address(self.database)) as process:
            yield process
            process.end(signal.SIGTERM)


@pytest.fixture
def place(database_url: URL, tmp_path: Path) -> Place:
    """A database of either kind, and an empty repository."""
    made = Place(tmp_path, database_url)
    assert made.restic("init").returncode == 0
    return made


def posted(service: Process, *texts: str) -> None:
    for text in texts:
        assert httpx.post(service.url + POSTS, json={"text": text}, trust_env=False).status_code == 202
    assert service.drained(60)


def found(service: Process) -> dict[str, str]:
    """Each conversation's text and the sentiment of its insight."""
    with httpx.Client(base_url=service.url, trust_env=False) as http:
        ids = [each["conversation_id"] for each in http.get(POSTS).json()["conversations"]]
        read = [http.get(f"{POSTS}/{id_}").json() for id_ in ids]
    return {each["text"]: each["insight"]["sentiment"] for each in read}


def lose(database: URL) -> None:
    """What the backup is for."""
    if database.get_backend_name() == "postgresql":
        asyncio.run(databases.administer(database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"))
        return
    for file in Path(str(database.database)).parent.glob("*.db*"):
        file.unlink()


def test_the_walk_back_after_the_database_is_lost(place: Place) -> None:
    with place.service() as service:
        posted(service, LATE, f"{LATE}, again")
        made = place.back_up()
        before = found(service)
        posted(service, "Too late for the backup")
    lose(place.database)

    fetched = place.folder / "fetched.backup"
    dumped = run("sh", "-c", FETCH, "sh", place.folder / "backup", fetched, environ=place.environ)
    restored = place.database_command("restore", str(fetched))
    with place.service() as service:
        after = found(service)
        posted(service, "And it goes on")

    assert (made.returncode, made.stderr) == (0, "")
    assert (dumped.returncode, dumped.stderr) == (0, "")
    assert (restored.returncode, restored.stderr) == (0, "")
    assert len(before) == 2
    assert after == before


def test_old_backups_are_forgotten_and_no_copy_stays_behind(place: Place) -> None:
    with place.service() as service:
        posted(service, LATE)
    for _ in range(3):
        assert place.back_up(KEEP="--keep-last 2").returncode == 0

    kept = place.snapshots()

    assert [each["tags"] for each in kept] == [["insights-platform"]] * 2
    assert [file.name for file in (place.folder / "backup").iterdir()] == [".lock"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestFailures:
    """Each is an exit code other than 0, which systemd reports, and leaves what is there."""

    def test_a_store_that_is_away_is_not_made_anew(self, place: Place) -> None:
        """The folder of a mount that failed is empty."""
        with place.service() as service:
            posted(service, LATE)
        away = str(place.folder / "away")

        failed = place.back_up(RESTIC_REPOSITORY=away)

        assert failed.returncode != 0
        assert "unable to open" in failed.stderr or "does not exist" in failed.stderr
        assert not Path(away).exists()
        assert [file.name for file in (place.folder / "backup").iterdir()] == [".lock"]

    def test_no_database_is_no_backup(self, place: Place) -> None:
        lose(place.database)

        failed = place.back_up()

        assert failed.returncode != 0
        assert "there is no database" in failed.stderr
        assert place.snapshots() == []

    def test_a_store_that_has_lost_data_is_noticed(self, place: Place) -> None:
        with place.service() as service:
            posted(service, LATE)
        assert place.back_up().returncode == 0
        packs = sorted(
            (place.folder / "repository" / "data").rglob("*/*"), key=lambda each: each.stat().st_size
        )
        packs[-1].chmod(0o600)
        packs[-1].write_bytes(b"\0" * packs[-1].stat().st_size)

        failed = place.back_up(READ_BACK="100%")

        assert failed.returncode != 0

    def test_two_at_once_are_refused(self, place: Place) -> None:
        (place.folder / "backup").mkdir()
        with (place.folder / "backup" / ".lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            failed = place.back_up()

        assert (failed.returncode, failed.stderr) == (1, "another backup is under way\n")
