"""The end of a call: what was paid for is stored, whatever the database does meanwhile."""

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from core import clock
from database import Database
from llm.hold import Hold
from worker.settlement import Renewal, persist


class Busy:
    """A write that fails so many times before it succeeds, and notes what held analysis each time."""

    def __init__(self, times: int, error: Exception, hold: Hold) -> None:
        self.times = times
        self.error = error
        self.hold = hold
        self.held: list[str | None] = []

    def __call__(self, _: Connection) -> str:
        self.held.append(self.hold.reason)
        if len(self.held) <= self.times:
            raise self.error
        return "stored"


async def test_what_is_paid_for_is_tried_until_it_is_stored_and_holds_analysis_meanwhile(
    db: Database,
) -> None:
    hold = Hold(clock.now)
    write = Busy(2, ConnectionError("busy"), hold)

    assert await persist(db, hold, write) == "stored"
    assert write.held == [None, "results are waiting to be stored", "results are waiting to be stored"]
    assert hold.reason is None


async def test_jobs_are_held_on_to_while_their_results_wait_to_be_stored(db: Database) -> None:
    renewed: list[str | None] = []
    write = Busy(2, ConnectionError("busy"), Hold(clock.now))

    def renew(_: Connection) -> None:
        renewed.append(write.hold.reason)

    await persist(db, write.hold, write, Renewal(renew, 0.01))

    assert set(renewed) == {"results are waiting to be stored"}
    count = len(renewed)
    await persist(db, write.hold, write, Renewal(renew, 0.01))
    assert len(renewed) == count, "what is stored at once needs no renewal"


async def test_what_is_no_fault_of_the_databases_is_not_tried_again(db: Database) -> None:
    write = Busy(1_000, IntegrityError("write", None, Exception("twice")), Hold(clock.now))

    with pytest.raises(IntegrityError):
        await persist(db, write.hold, write)
    assert len(write.held) == 1
