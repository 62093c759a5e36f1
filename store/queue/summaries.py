"""Summaries as a queue: asked for, held while they are written, stored with the version they were made from.

Lock order: conversations, summaries, their parts, calls, spending.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, or_, select, update

from domain.summaries import Message, Part, Summary, from_json, to_json
from models import COMPLETED, FAILED, PROCESSING, QUEUED, conversations, messages, summaries, summary_parts
from store.engine.dialect import insert_on_conflict


@dataclass(frozen=True, slots=True)
class Job:
    """One summary that is to be written, as it was claimed."""

    conversation: int
    id: str
    revision: int
    last: int
    """Position of the last message of that revision: whatever comes later is not in this summary."""
    failures: int
    lease: str
    error: str | None
    """What went wrong with the last asking, where it may be to blame for that: it is a suspect."""


@dataclass(frozen=True, slots=True)
class Written:
    """It is written. `part` is of all its messages, `used` are the ranges of the parts it was made of."""

    job: Job
    part: Part
    used: Collection[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Failed:
    """It was asked for often enough."""

    job: Job
    reason: str
    """One word, of a small set."""
    error: str
    failures: int


@dataclass(frozen=True, slots=True)
class Requeued:
    """It goes back, to be asked for again at `run_at`."""

    job: Job
    run_at: int
    failures: int
    error: str | None = None


Outcome = Written | Failed | Requeued


@dataclass(frozen=True, slots=True)
class Stored:
    """What there is of a conversation's summary."""

    conversation_id: str
    revision: int
    """The conversation's, now."""
    row: Row[Any] | None
    """Of `summaries`; None where none was ever asked for."""

    @property
    def is_pending(self) -> bool:
        """Whether it is being written."""
        return self.row is not None and self.row.run_at is not None

    @property
    def is_current(self) -> bool:
        """Whether what is stored was made from all there is."""
        return self.row is not None and self.row.status == COMPLETED and self.row.made_from == self.revision


def get(connection: Connection, id_: str) -> Stored | None:
    """The summary of a conversation, None where there is no such conversation."""
    c, s = conversations.c, summaries.c
    joined = conversations.outerjoin(summaries, c.number == s.conversation)
    wanted = select(c.id.label("id"), c.revision.label("current"), summaries).select_from(joined)
    row = connection.execute(wanted.where(c.id == id_)).one_or_none()
    if row is None:
        return None
    return Stored(row.id, row.current, row if row.status is not None else None)


def ask(connection: Connection, id_: str, *, now: int) -> bool:
    """Have a conversation summarised, unless what is stored is current; False where there is none of that id.

    One that is being written from an older version is written again once it is done.
    """
    c, s = conversations.c, summaries.c
    found = select(c.number, c.revision).where(c.id == id_).with_for_update(read=True, key_share=True)
    conversation = connection.execute(found).one_or_none()
    if conversation is None:
        return False
    new = {"conversation": conversation.number, "revision": conversation.revision}
    statement = insert_on_conflict(connection.dialect.name, summaries).values(
        status=QUEUED, run_at=now, **new
    )
    connection.execute(statement.on_conflict_do_nothing())
    mine = update(summaries).where(s.conversation == conversation.number)
    connection.execute(mine.where(s.run_at.is_not(None)).values(revision=conversation.revision))
    outdated = or_(s.status == FAILED, (s.status == COMPLETED) & (s.made_from != conversation.revision))
    anew = {"status": QUEUED, "run_at": now, "failures": 0, "error": None, "revision": conversation.revision}
    connection.execute(mine.where(outdated).values(anew))
    return True


def claim(connection: Connection, *, now: int, token: str, until: int, suspects: bool) -> Job | None:
    """Hold the summary that has been due longest; without `suspects` only of those under no suspicion."""
    c, s, m = conversations.c, summaries.c, messages.c
    last = select(func.max(m.position)).where(m.conversation == s.conversation).scalar_subquery()
    due = (
        select(s.conversation, c.id, c.revision, s.failures, s.error, last.label("last"))
        .join(conversations, c.number == s.conversation)
        .where(s.run_at <= now)
        .order_by(s.run_at, s.conversation)
        .limit(1)
        .with_for_update(of=summaries, skip_locked=True)
    )
    row = connection.execute(due if suspects else due.where(s.error.is_(None))).one_or_none()
    if row is None:
        return None
    held = {"status": PROCESSING, "lease": token, "run_at": until, "revision": row.revision}
    connection.execute(update(summaries).where(s.conversation == row.conversation).values(held))
    return Job(
        conversation=row.conversation,
        id=row.id,
        revision=row.revision,
        last=row.last,
        failures=row.failures,
        lease=token,
        error=row.error,
    )


def renew(connection: Connection, job: Job, *, until: int) -> bool:
    """Hold a summary until later; False where it is not held any more."""
    held = update(summaries).where(_is_held(job)).values(run_at=until)
    return connection.execute(held).rowcount == 1


def _is_held(job: Job) -> ColumnElement[bool]:
    return (summaries.c.conversation == job.conversation) & (summaries.c.lease == job.lease)


def keep(connection: Connection, job: Job, part: Part, *, version: str, until: int) -> bool:
    """Keep what a call brought, and hold the summary until later; False, and nothing is kept, where it is lost."""
    if not renew(connection, job, until=until):
        return False
    statement = insert_on_conflict(connection.dialect.name, summary_parts).values(
        conversation=job.conversation,
        first=part.first,
        last=part.last,
        version=version,
        content=json.dumps(to_json(part.summary)),
        analyzer=part.analyzer,
        model=part.model,
        raw=part.raw,
    )
    key = [summary_parts.c[name] for name in ("conversation", "first", "last")]
    new = {name: statement.excluded[name] for name in ("version", "content", "analyzer", "model", "raw")}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=new))
    return True


def parts(connection: Connection, job: Job, *, version: str) -> list[Part]:
    """What is summarised already, by whoever is asked now and as they are told now."""
    p = summary_parts.c
    mine = select(summary_parts).where(p.conversation == job.conversation, p.version == version)
    return [
        Part(row.first, row.last, _summary(row.content), row.analyzer, row.model, row.raw)
        for row in connection.execute(mine)
    ]


def _summary(content: str) -> Summary:
    return from_json(json.loads(content))


def conversation_messages(connection: Connection, job: Job, *, after: int, limit: int) -> list[Message]:
    """The next messages of the version that is summarised, in order. Who is no agent counts as a customer."""
    m = messages.c
    page = (
        select(m.position, m.role, m.text)
        .where(m.conversation == job.conversation, m.position > after, m.position <= job.last)
        .order_by(m.position)
        .limit(limit)
    )
    return [Message(row.position, row.role or "customer", row.text) for row in connection.execute(page)]


def texts(connection: Connection, job: Job, positions: Collection[int]) -> Mapping[int, str]:
    """Messages by their positions."""
    m = messages.c
    wanted = select(m.position, m.text).where(m.conversation == job.conversation, m.position.in_(positions))
    return {row.position: row.text for row in connection.execute(wanted)}


def settle(connection: Connection, outcome: Outcome, *, now: int) -> bool:
    """Carry out what became of a summary; False where it was deleted, or somebody else holds it by now."""
    match outcome:
        case Written():
            values = _written(outcome, now)
        case Failed():
            values = _ended(FAILED, outcome.error, outcome.failures)
        case Requeued():
            values = {**_ended(QUEUED, outcome.error, outcome.failures), "run_at": outcome.run_at}
    counted = connection.execute(update(summaries).where(_is_held(outcome.job)).values(values)).rowcount == 1
    if counted and isinstance(outcome, Written):
        _prune(connection, outcome)
    return counted


def _ended(status: str, error: str | None, failures: int) -> dict[str, object]:
    return {"status": status, "lease": None, "run_at": None, "error": error, "failures": failures}


def _written(written: Written, now: int) -> dict[str, object]:
    s = summaries.c
    is_wanted_anew = s.revision > written.job.revision
    return {
        **_ended(COMPLETED, None, 0),
        "status": case((is_wanted_anew, QUEUED), else_=COMPLETED),
        "run_at": case((is_wanted_anew, now), else_=None),
        "made_from": written.job.revision,
        "message_count": written.job.last,
        "content": json.dumps(to_json(written.part.summary)),
        "analyzer": written.part.analyzer,
        "model": written.part.model,
        "raw": written.part.raw,
        "created_at": func.coalesce(s.created_at, now),
        "updated_at": now,
    }


def _prune(connection: Connection, written: Written) -> None:
    """Forget what no later version can use: whatever reaches to the end of this one, or was not used in it."""
    p = summary_parts.c
    mine = p.conversation == written.job.conversation
    stored = connection.execute(select(p.first, p.last).where(mine)).all()
    useful = {(first, last) for first, last in written.used if last < written.job.last}
    for first, last in {(row.first, row.last) for row in stored} - useful:
        connection.execute(delete(summary_parts).where(mine, p.first == first, p.last == last))


def recover(connection: Connection, *, now: int) -> None:
    """Put back what another life of this process held: nobody else can."""
    left = update(summaries).where(summaries.c.run_at.is_not(None), summaries.c.status == PROCESSING)
    connection.execute(left.values(status=QUEUED, lease=None, run_at=now))


def depth(connection: Connection) -> int:
    """How many summaries are being written or wait for it."""
    waiting = select(func.count()).select_from(summaries).where(summaries.c.run_at.is_not(None))
    return connection.scalar(waiting) or 0
