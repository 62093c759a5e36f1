"""The tables of transitions in `domain/jobs.py`, against what the store does: every event in every status."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from domain.jobs import (
    CONVERSATION_EVENTS,
    CONVERSATION_STATUSES,
    CONVERSATION_TRANSITIONS,
    SUMMARY_EVENTS,
    SUMMARY_STATUSES,
    SUMMARY_TRANSITIONS,
    Failed,
    Requeued,
    Transitions,
)
from models import STATUSES
from store.conversations.records import delete_conversation, retry
from store.queue import analysis, single_flight, summaries
from store.queue.analysis import AnalysisJob, Outcome, Skipped
from store.queue.renewal import renew
from store.queue.summaries import SummaryJob, Written
from tests.store.test_summaries_store import taken_in
from tests.support.chat_data import added, said, tries_in_memory
from tests.support.rows import LEASE, NOW, POLICY, answered, claim, new, settle, statuses, stored, take_in
from tests.support.summary_data import a_part
from worker.outcomes import Work, charged, work_of

SHORT = "ok"
"""The prefilter skips it, where there is one."""
EVERYTHING = replace(POLICY, prefilter=False)
MISTAKE = ("invalid_row", "no score")
Event = Callable[[Connection, Work], object]
SummaryEvent = Callable[[Connection, SummaryJob], object]
Try = Callable[[Callable[[Connection], object]], None]


@pytest.fixture(scope="module")
def trial() -> Iterator[Try]:
    with tries_in_memory() as tries:
        yield tries


def grid(kinds: tuple[str, ...], events: dict[str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("status", "event"), [(kind, event) for kind in kinds for event in events])


def test_the_tables_speak_of_the_statuses_and_events_that_there_are() -> None:
    def named(table: Transitions) -> tuple[set[str], set[str]]:
        after = {status for status in table.values() if status is not None}
        return {status for status, _ in table} | after, {event for _, event in table}

    assert CONVERSATION_STATUSES == STATUSES
    assert named(CONVERSATION_TRANSITIONS) == ({*CONVERSATION_STATUSES}, {*CONVERSATION_EVENTS})
    assert named(SUMMARY_TRANSITIONS) == ({*SUMMARY_STATUSES}, {*SUMMARY_EVENTS})


# --- conversations ------------------------------------------------------------------------------------------


def conversation_in(connection: Connection, status: str) -> Work:
    """Bring a conversation into that status; gives it as the worker knows it that claimed it once."""
    take_in(connection, new("c", SHORT))
    [work] = claim(connection, "a", policy=EVERYTHING).work
    outcomes: dict[str, list[Outcome]] = {
        "queued": [Requeued(work.job, NOW, 0)],
        "processing": [],
        "completed": [answered(work)],
        "failed": [Failed(work.job, *MISTAKE, 4)],
        "skipped": [Skipped(work.job, "too_short")],
    }
    settle(connection, [work] if outcomes[status] else [], outcomes[status])
    return work


def claimed_after_the_lease(connection: Connection, _: Work) -> None:
    if stored(connection, "c").lease is not None:
        claim(connection, "b", now=NOW + LEASE, policy=EVERYTHING)


def answered_from_the_cache(connection: Connection, _: Work) -> None:
    take_in(connection, new("twin", SHORT, received_at=NOW - 9))
    [job] = analysis.due(connection, limit=1, now=NOW)
    analysis.settle(connection, [answered(work_of(job, "grok-4.3/1", str))], now=NOW)
    claim(connection, "b", policy=EVERYTHING)


def parked(connection: Connection, work: Work) -> None:
    single_flight.lead(connection, [work.key], lease="other", until=NOW + LEASE, now=NOW)
    claim(connection, "b", policy=EVERYTHING)


def answered_late(connection: Connection, work: Work) -> None:
    if stored(connection, "c").lease is not None:
        added(connection, said("c"))
    ends(answered)(connection, work)


def ends(outcome: Callable[[Work], Outcome]) -> Event:
    """The worker stores that outcome."""
    return lambda connection, work: settle(connection, [work], [outcome(work)])


def mistaken(job: AnalysisJob) -> Outcome:
    return charged(job, *MISTAKE, at=NOW, policy=POLICY)


HAPPENINGS: dict[str, Event] = {
    "claimed": lambda connection, _: claim(connection, "b", policy=EVERYTHING),
    "skipped": lambda connection, _: claim(connection, "b"),
    "answered from the cache": answered_from_the_cache,
    "parked": parked,
    "lease ended": claimed_after_the_lease,
    "restarted": lambda connection, _: analysis.recover(connection, now=NOW),
    "answered": ends(answered),
    "answered late": answered_late,
    "charged": ends(lambda work: mistaken(work.job)),
    "given up": ends(lambda work: mistaken(work.job._replace(failures=POLICY.max_retries))),
    "requeued": ends(lambda work: Requeued(work.job, NOW, 0)),
    "new message": lambda connection, _: added(connection, said("c")),
    "retried": lambda connection, _: retry(connection, "c", fresh=False, now=NOW),
    "erased": lambda connection, _: renew(connection, stored(connection, "c"), now=NOW, due=NOW),
    "deleted": lambda connection, _: delete_conversation(connection, "c"),
}


@grid(CONVERSATION_STATUSES, CONVERSATION_EVENTS)
def test_a_conversation_changes_its_status_as_the_table_says(trial: Try, status: str, event: str) -> None:
    def play(connection: Connection) -> None:
        work = conversation_in(connection, status)
        assert statuses(connection)["c"] == status

        HAPPENINGS[event](connection, work)

        after = CONVERSATION_TRANSITIONS.get((status, event), status)
        assert statuses(connection).get("c") == after
        if after == status == "processing":
            assert (stored(connection, "c").lease != "a") == (event == "lease ended")

    trial(play)


# --- summaries ----------------------------------------------------------------------------------------------


def summary_in(connection: Connection, status: str) -> SummaryJob:
    """Bring a chat's summary into that status; gives it as the worker knows it that claimed it once."""
    taken_in(connection, "c")
    if status == "none":
        return SummaryJob(stored(connection, "c").number, "c", 1, 3, 0, None, "a")
    summaries.ask(connection, "c", now=NOW)
    job = claimed(connection, "a")
    assert job is not None
    match status:
        case "queued":
            summaries.settle(connection, Requeued(job, NOW, 0), now=NOW)
        case "completed" | "outdated":
            summaries.settle(connection, written(job), now=NOW)
        case "failed":
            summaries.settle(connection, Failed(job, *MISTAKE, 4), now=NOW)
    if status == "outdated":
        added(connection, said("c"))
    return job


def claimed(connection: Connection, token: str, now: int = NOW) -> SummaryJob | None:
    return summaries.claim(connection, now=now, token=token, until=now + LEASE, suspects=True)


def written(job: SummaryJob) -> Written:
    return Written(job, a_part(1, job.last), ())


def summary_status(connection: Connection) -> str | None:
    """None where the conversation is gone."""
    found = summaries.get(connection, "c")
    if found is None:
        return None
    if found.row is None:
        return "none"
    is_outdated = found.row.status == "completed" and not found.is_current
    return "outdated" if is_outdated else str(found.row.status)


def claimed_after_its_lease(connection: Connection, _: SummaryJob) -> None:
    if summary_status(connection) == "processing":
        claimed(connection, "b", NOW + LEASE)


def written_late(connection: Connection, job: SummaryJob) -> None:
    if summary_status(connection) == "processing":
        added(connection, said("c"))
    becomes(written)(connection, job)


def written_too_late(connection: Connection, job: SummaryJob) -> None:
    if summary_status(connection) == "processing":
        added(connection, said("c"))
        summaries.ask(connection, "c", now=NOW)
    becomes(written)(connection, job)


def becomes(outcome: Callable[[SummaryJob], summaries.Outcome]) -> SummaryEvent:
    """The worker stores that outcome."""
    return lambda connection, job: summaries.settle(connection, outcome(job), now=NOW)


def blamed(job: SummaryJob) -> summaries.Outcome:
    return charged(job, *MISTAKE, at=NOW, policy=POLICY)


SUMMARY_HAPPENINGS: dict[str, SummaryEvent] = {
    "asked for": lambda connection, _: summaries.ask(connection, "c", now=NOW),
    "claimed": lambda connection, _: claimed(connection, "b"),
    "lease ended": claimed_after_its_lease,
    "restarted": lambda connection, _: summaries.recover(connection, now=NOW),
    "answered": becomes(written),
    "answered late": written_late,
    "answered too late": written_too_late,
    "charged": becomes(blamed),
    "given up": becomes(lambda job: blamed(replace(job, failures=POLICY.max_retries))),
    "requeued": becomes(lambda job: Requeued(job, NOW, 0)),
    "new message": lambda connection, _: added(connection, said("c")),
    "erased": lambda connection, _: renew(connection, stored(connection, "c"), now=NOW, due=NOW),
    "deleted": lambda connection, _: delete_conversation(connection, "c"),
}


@grid(SUMMARY_STATUSES, SUMMARY_EVENTS)
def test_a_summary_changes_its_status_as_the_table_says(trial: Try, status: str, event: str) -> None:
    def play(connection: Connection) -> None:
        job = summary_in(connection, status)
        assert summary_status(connection) == status

        SUMMARY_HAPPENINGS[event](connection, job)

        assert summary_status(connection) == SUMMARY_TRANSITIONS.get((status, event), status)

    trial(play)
