"""What is left on a disk, and when that is too little."""

import shutil
from pathlib import Path

from sqlalchemy.engine import make_url

from store.engine.disk import RESERVE_BYTES, under
from tests.support.small_disk import small_disk

KILOBYTE = 1_024


def test_a_disk_with_room_is_not_short_and_one_without_is(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=20) as small:
        disk = under(make_url(f"sqlite:///{small.folder}/insights.db"))
        small.take(leave=1_200 * KILOBYTE)
        assert not disk.is_short()

        small.take(leave=900 * KILOBYTE)
        assert disk.is_short()
        assert not disk.is_short(reusable=200 * KILOBYTE)


def test_what_is_in_the_log_needs_its_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=20) as small:
        disk = under(make_url(f"sqlite:///{small.folder}/insights.db"))
        (small.folder / "insights.db-wal").write_bytes(bytes(500 * KILOBYTE))
        small.take(leave=1_400 * KILOBYTE)

        assert disk.wal_bytes == 500 * KILOBYTE
        assert disk.is_short()


def test_of_a_large_disk_a_fixed_reserve_is_kept(tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path}/insights.db")
    free = shutil.disk_usage(tmp_path).free

    assert under(url).is_short() == (free < RESERVE_BYTES)
    assert not under(make_url("sqlite:///insights.db")).is_short(reusable=RESERVE_BYTES)


def test_of_a_postgresql_nothing_is_told() -> None:
    disk = under(make_url("postgresql://localhost/insights"))

    assert (disk.wal_bytes, disk.is_short()) == (0, False)
