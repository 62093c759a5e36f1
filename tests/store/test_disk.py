"""What is left on a disk, and when that is too little."""

import shutil
from pathlib import Path

from sqlalchemy.engine import make_url

from store.engine.disk import RESERVE_BYTES, under

KILOBYTE = 1_024


def test_of_a_large_disk_a_fixed_reserve_is_kept(tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path}/insights.db")
    free = shutil.disk_usage(tmp_path).free

    assert under(url).is_short() == (free < RESERVE_BYTES)
    assert not under(make_url("sqlite:///insights.db")).is_short(reusable=RESERVE_BYTES)


def test_of_a_postgresql_nothing_is_told() -> None:
    disk = under(make_url("postgresql://localhost/insights"))

    assert (disk.wal_bytes, disk.is_short()) == (0, False)
