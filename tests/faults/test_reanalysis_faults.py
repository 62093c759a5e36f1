"""`kill -9` in the middle of a re-analysis."""

from pathlib import Path

from sqlalchemy.engine import URL

from tests.faults.reanalysis import Plan, ordeal


async def test_kills_leave_each_chosen_conversation_with_one_new_version(
    database_url: URL, tmp_path: Path
) -> None:
    plan = Plan(conversations=160, chosen=120, pauses=[1.5], max_usd=1.0, seed=1)

    done = await ordeal(database_url, tmp_path, plan)

    assert done.complaints == []
    assert (done.status, done.changed > 0, done.seen.insights > 0) == ("completed", True, True)
