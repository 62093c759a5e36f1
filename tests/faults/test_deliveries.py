"""`kill -9` between results and their deliveries."""

from pathlib import Path

from sqlalchemy.engine import URL

from tests.faults.deliveries import ordeal


async def test_kills_lose_no_event_and_change_none(database_url: URL, tmp_path: Path) -> None:
    told = await ordeal(database_url, tmp_path, [0.8], seed=1)

    assert told.complaints == []
    assert told.events >= told.insights > 0
