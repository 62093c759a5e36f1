"""The queue of summaries: asked for, held while they are written, stored with the revision they were made from.

Lock order: long jobs, conversations, summaries, their parts, calls, spending.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Connection, Row, bindparam, delete, func, or_, select, update

from core.errors import DoesNotOpen
from core.priority import SUMMARIES
from domain.jobs import Failed, Requeued
from domain.summaries import Message, Part, from_json, to_json
from domain.text import Show
from models import COMPLETED, FAILED, QUEUED, conversations, messages, summaries, summary_parts
from store.conversations.by_id import has_id
from store.engine.dialect import insert_on_conflict
from store.engine.vault import at, vault_of
from store.insights import case_filing
from store.queue import conversation_events
from store.queue.jobs import JobKind, JobQueue

_s, _m = summaries.c, messages.c
CLEARED = {"job": None, "draft": None}
QUEUE = JobQueue(
    JobKind(
        table=summaries,
        key=_s.conversation,
        lane=SUMMARIES,
        reads=(
            _s.conversation,
            conversations.c.id,
            conversations.c.revision,
            select(func.max(_m.position)).where(_m.conversation == _s.conversation).scalar_subquery(),
            _s.failures,
            _s.error,
            _s.job,
        ),
        source=summaries.join(conversations, conversations.c.number == _s.conversation),
        only=or_(bindparam("suspects", type_=Boolean), _s.error.is_(None)),
        holds=(_s.revision,),
        on_lease={"revision": bindparam("new_revision")},
        end_columns=("error", "job", "draft"),
        requeue_columns=("error",),
    )
)


@dataclass(frozen=True, slots=True)
class SummaryJob:
    """One summary that is to be written, as it was claimed."""

    conversation: int
    id: str
    revision: int
    last: int
    """Position of the last message of that revision: whatever comes later is not in this summary."""
    failures: int
    error: str | None
    """What went wrong with the last call, where the chat may be to blame for it: it is a suspect."""
    lease: str
    charged_to: int | None = None
    """The number of the long job that has asked for it."""


@dataclass(frozen=True, slots=True)
class Written:
    """The summary is written. `part` is of all its messages, `used` are the ranges of the parts it was made of."""

    job: SummaryJob
    part: Part
    used: Collection[tuple[int, int]]


Outcome = Written | Failed[SummaryJob] | Requeued[SummaryJob]


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a conversation's summary."""

    conversation_id: str
    revision: int
    """The conversation's, now."""
    row: Row[Any] | None
    """Of `summaries`; None where no summary was ever asked for."""

    @property
    def is_pending(self) -> bool:
        """Whether it is being written."""
        return self.row is not None and self.row.run_at is not None

    @property
    def is_current(self) -> bool:
        """Whether what is stored was made from the conversation's newest revision."""
        return self.row is not None and self.row.status == COMPLETED and self.row.made_from == self.revision


def get(connection: Connection, id_: str) -> Stored | None:
    """The summary of a conversation, None where there is no such conversation."""
    c = conversations.c
    joined = conversations.outerjoin(summaries, c.number == _s.conversation)
    wanted = select(c.id.label("id"), c.revision.label("current"), summaries).select_from(joined)
    row = connection.execute(wanted.where(has_id(id_))).one_or_none()
    if row is None:
        return None
    opened = vault_of(connection).opened(summaries, row) if row.status is not None else None
    return Stored(row.id, row.current, opened)


def ask(connection: Connection, id_: str, *, now: int, job: int | None = None) -> bool:
    """Queue a conversation to be summarised, unless what is stored is current; False where there is no such id.

    One that is being written from an older revision is written again afterwards. `job` is the long job that asks.
    """
    c, s = conversations.c, summaries.c
    found = select(c.number, c.revision).where(has_id(id_)).with_for_update(read=True, key_share=True)
    conversation = connection.execute(found).one_or_none()
    if conversation is None:
        return False
    new = {"conversation": conversation.number, "revision": conversation.revision}
    queued = {"status": QUEUED, "run_at": now, "job": job, **new}
    statement = insert_on_conflict(connection.dialect.name, summaries).values(queued)
    connection.execute(statement.on_conflict_do_nothing())
    mine = update(summaries).where(s.conversation == conversation.number)
    connection.execute(mine.where(s.run_at.is_not(None)).values(revision=conversation.revision))
    outdated = or_(s.status == FAILED, (s.status == COMPLETED) & (s.made_from != conversation.revision))
    connection.execute(mine.where(outdated).values(queued | {"failures": 0, "error": None}))
    return True


def claim(connection: Connection, *, now: int, token: str, until: int, suspects: bool) -> SummaryJob | None:
    """Hold the summary that has been due longest; without `suspects`, of those under no suspicion."""
    found = QUEUE.due(connection, limit=1, now=now, suspects=suspects)
    if not found:
        return None
    [(conversation, id_, revision, last, failures, error, charged_to)] = found
    try:
        error = vault_of(connection).open("summaries.error", at(conversation), error)
    except DoesNotOpen:
        error = "unreadable"
    job = SummaryJob(conversation, id_, revision, last, failures, error, token, charged_to)
    QUEUE.lease(connection, [job.conversation], token=token, until=until, new_revision=job.revision)
    return job


def renew(connection: Connection, job: SummaryJob, *, until: int) -> bool:
    """Hold a summary until later; False where it is not held any more."""
    return bool(QUEUE.renew(connection, {job.conversation: job.lease}, until=until))


def keep(connection: Connection, job: SummaryJob, part: Part, *, version: str, until: int) -> bool:
    """Keep what a call brought, and hold the summary until later; False, and nothing kept, where the lease is lost."""
    if not renew(connection, job, until=until):
        return False
    kept = {
        "conversation": job.conversation,
        "first": part.first,
        "last": part.last,
        "version": version,
        "content": json.dumps(to_json(part.summary)),
        "analyzer": part.analyzer,
        "model": part.model,
        "raw": part.raw,
    }
    stored = vault_of(connection).sealed(summary_parts, kept)
    statement = insert_on_conflict(connection.dialect.name, summary_parts).values(stored)
    key = [summary_parts.c[name] for name in ("conversation", "first", "last")]
    new = {name: statement.excluded[name] for name in ("version", "content", "analyzer", "model", "raw")}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=new))
    return True


def parts(connection: Connection, job: SummaryJob, *, version: str) -> list[Part]:
    """What is summarised already, by the model and the prompt of this `version`."""
    p = summary_parts.c
    mine = select(summary_parts).where(p.conversation == job.conversation, p.version == version)
    return [
        Part(row.first, row.last, from_json(json.loads(row.content)), row.analyzer, row.model, row.raw)
        for row in vault_of(connection).all_opened(summary_parts, connection.execute(mine).all())
    ]


def conversation_messages(
    connection: Connection, job: SummaryJob, *, after: int, limit: int, shown: Show
) -> list[Message]:
    """The next messages of the revision that is summarised, in order, as the model is shown them.

    Whoever is not an agent counts as a customer.
    """
    m = messages.c
    page = (
        select(m.conversation, m.position, m.role, m.text)
        .where(m.conversation == job.conversation, m.position > after, m.position <= job.last)
        .order_by(m.position)
        .limit(limit)
    )
    rows = vault_of(connection).all_opened(messages, connection.execute(page).all())
    return [Message(row.position, row.role or "customer", shown(row.text)) for row in rows]


def texts(
    connection: Connection, job: SummaryJob, positions: Collection[int], shown: Show
) -> Mapping[int, str]:
    """Messages by their positions, as the model was shown them."""
    m = messages.c
    these = m.conversation == job.conversation, m.position.in_(positions)
    wanted = select(m.conversation, m.position, m.text).where(*these)
    rows = vault_of(connection).all_opened(messages, connection.execute(wanted).all())
    return {row.position: shown(row.text) for row in rows}


def settle(connection: Connection, outcome: Outcome, *, now: int) -> bool:
    """Store what became of a summary; False where it was deleted, or somebody else holds it by now."""
    job = outcome.job
    if isinstance(outcome, Written):
        # Its insight must not be stored meanwhile: the counts of people are of both. Before the summary, for the order.
        its = conversations.c.number == job.conversation
        connection.execute(select(conversations.c.number).where(its).with_for_update())
    held = QUEUE.held(connection, {job.conversation: job.lease})
    if not held:
        return False
    match outcome:
        case Written():
            _write(connection, outcome, now)
            _end_written(connection, job, held[job.conversation], now)
        case Failed():
            error = _sealed_error(connection, job, outcome.error)
            ending = {"status": FAILED, "failures": outcome.failures, "error": error, **CLEARED}
            QUEUE.end(connection, [(job.conversation, ending)])
        case Requeued():
            error = _sealed_error(connection, job, outcome.error)
            back = {"run_at": outcome.run_at, "failures": outcome.failures, "error": error}
            QUEUE.requeue(connection, [(job.conversation, back)])
    return True


def _sealed_error(connection: Connection, job: SummaryJob, error: str | None) -> str | None:
    return vault_of(connection).seal("summaries.error", at(job.conversation), error)


def _write(connection: Connection, written: Written, now: int) -> None:
    content = {
        "conversation": written.job.conversation,
        "made_from": written.job.revision,
        # No message was erased since the job was claimed, or its lease would be gone.
        "message_count": written.job.last - _erased(written.job.conversation),
        "content": json.dumps(to_json(written.part.summary)),
        "analyzer": written.part.analyzer,
        "model": written.part.model,
        "raw": written.part.raw,
        "created_at": func.coalesce(_s.created_at, now),
        "updated_at": now,
    }
    stored = vault_of(connection).sealed(summaries, content)
    connection.execute(update(summaries).where(_s.conversation == written.job.conversation).values(stored))
    case_filing.file_summary(connection, written.job.conversation, to_json(written.part.summary))
    _prune(connection, written)
    conversation_events.note_summarised(connection, written.job.conversation, written.part, now=now)


def _erased(conversation: int) -> ColumnElement[int]:
    c = conversations.c
    return select(c.erased).where(c.number == conversation).scalar_subquery()


def _end_written(connection: Connection, job: SummaryJob, row: Sequence[Any], now: int) -> None:
    """Or give it back at once, where it was asked for with messages that this one lacks."""
    _, _, revision = row
    if revision > job.revision:
        again = {"run_at": now, "failures": 0, "error": None}
        QUEUE.requeue(connection, [(job.conversation, again)])
    else:
        ending = {"status": COMPLETED, "failures": 0, "error": None, **CLEARED}
        QUEUE.end(connection, [(job.conversation, ending)])


def _prune(connection: Connection, written: Written) -> None:
    """Delete the parts that no later revision can use: those that reach the end of this one, or were not used in it."""
    p = summary_parts.c
    mine = p.conversation == written.job.conversation
    stored = connection.execute(select(p.first, p.last).where(mine)).all()
    useful = {(first, last) for first, last in written.used if last < written.job.last}
    for first, last in {(row.first, row.last) for row in stored} - useful:
        connection.execute(delete(summary_parts).where(mine, p.first == first, p.last == last))


def recover(connection: Connection, *, now: int) -> None:
    """Give back what this process held before it was started again. Only without other processes."""
    QUEUE.recover(connection, now=now)


def depth(connection: Connection) -> int:
    """How many summaries are being written or wait for it."""
    return connection.scalar(select(func.count()).where(_s.run_at.is_not(None))) or 0
