"""`kill -9` while batches are at the provider."""

from pathlib import Path

from sqlalchemy.engine import URL

from tests.faults.batches import Blow, Plan, ordeal

BLOWS = [Blow("add", 0.0), Blow("results", 0.02)]


async def test_kills_lose_no_batch_ask_nothing_twice_and_leave_nothing_unbooked(
    database_url: URL, tmp_path: Path
) -> None:
    findings = await ordeal(database_url, tmp_path, Plan(BLOWS, seed=1, seconds=2, hours=0.004))

    assert findings.complaints == []
    assert len(findings.kills) == len(BLOWS)
    assert findings.ways["batch"] > 0
