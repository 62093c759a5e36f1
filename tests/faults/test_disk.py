"""A disk that fills up, as the service measures it."""

from pathlib import Path

from sqlalchemy.engine import make_url

from store.engine.disk import under
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
        assert disk.room() < 0
        assert disk.room(reusable=200 * KILOBYTE) == disk.room() + 200 * KILOBYTE


def test_what_is_in_the_log_needs_its_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=20) as small:
        disk = under(make_url(f"sqlite:///{small.folder}/insights.db"))
        (small.folder / "insights.db-wal").write_bytes(bytes(500 * KILOBYTE))
        small.take(leave=1_400 * KILOBYTE)

        assert disk.wal_bytes == 500 * KILOBYTE
        assert disk.is_short()
