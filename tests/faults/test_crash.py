"""`kill -9` amid posts, calls and a start."""

from pathlib import Path

from sqlalchemy.engine import URL

from tests.faults.crash import ordeal
from tests.faults.crash_moments import Moment

KILLS = [Moment("call", 0.1), Moment("start", 0.7)]


async def test_kills_lose_nothing_double_nothing_and_repeat_only_what_they_cut_off(
    database_url: URL, tmp_path: Path
) -> None:
    # So long that on the slowest machine no call ends between its arrival and the kill.
    evidence = await ordeal(database_url, tmp_path, KILLS, seed=1, latency=10)

    assert evidence.complaints == []
    assert evidence.last_life == len(KILLS)
    # The kills hit what they were meant for.
    assert evidence.in_flight[0] > 0
    assert evidence.unanswered > 0


# --- the count ----------------------------------------------------------------------------------------------
