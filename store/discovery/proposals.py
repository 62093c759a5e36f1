"""The groups that runs of discovery found, and what people decided on them.

A group is a row that keeps its id from run to run. Most rows are never shown: those that a topic explains or that too
few people are in are kept because the next run has to know them again.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, insert, or_, select, update

from domain.events import TOPIC_PROPOSED, WebhookEvent
from domain.topics import slug
from models import ACCEPTED, PROPOSED, REJECTED, UNLISTED, discovery_runs, topic_proposals
from store.engine.vault import vault_of
from store.webhooks.outbox import note_events, subscribers

DECIDED = (ACCEPTED, REJECTED)
NAMING = frozenset({"name", "description", "named_by"})
Shares = Sequence[tuple[str, float]]
"""Ids of groups, each with a share of conversations."""
_p, _r = topic_proposals.c, discovery_runs.c


class KnownGroup(NamedTuple):
    """A group that the next run has to know again: packed members, and centroid in base 64."""

    id: str
    language: str
    members: bytes
    centroid: str
    named_by: str | None
    """The analyzer that named it; None if its words did."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group as a run found it. `is_shown`: a topic does not explain it, and enough people are in it."""

    id: str
    is_shown: bool
    language: str
    name: str
    description: str
    named_by: str | None
    words: Sequence[str]
    centroid: str
    members: bytes
    examples: Sequence[int]
    size: int
    people: int
    now: int
    before: int
    p: float
    grew: bool
    part_of: int | None
    came_from: Shares


@dataclass(frozen=True, slots=True)
class Run:
    """Which conversations were grouped: those of [start, end) that a filter leaves, whose groups have this scope."""

    scope: str
    start: int
    end: int
    conversations: int


def new_id() -> str:
    """An id for a group that no earlier run has found."""
    return f"prop_{uuid.uuid4().hex}"


def known_groups(connection: Connection, scope: str) -> list[KnownGroup]:
    """The groups of the last run of this scope, and those of any on which somebody has decided."""
    last = select(func.max(_r.number)).where(_r.scope == scope).scalar_subquery()
    wanted = or_((_p.scope == scope) & (_p.run == last), _p.state.in_(DECIDED))
    columns = _p.id, _p.language, _p.members, _p.centroid, _p.named_by
    rows = connection.execute(select(*columns).where(wanted).order_by(_p.number)).all()
    return [KnownGroup(*row) for row in vault_of(connection).all_opened(topic_proposals, rows)]


def store_run(
    connection: Connection, run: Run, groups: Sequence[GroupRow], gone: Mapping[str, Shares], *, now: int
) -> list[str]:
    """Store a run with its groups. `gone` are known groups that it has not found, and where they went.

    Gives the ids of the accepted groups that it has found again.
    """
    values = {
        "scope": run.scope,
        "start_time": run.start,
        "end_time": run.end,
        "conversations": run.conversations,
        "ended_at": now,
    }
    number = connection.execute(insert(discovery_runs).values(values).returning(_r.number)).scalar_one()
    # Locked, so that nothing that somebody decides meanwhile is lost.
    rows = select(_p.id, _p.state, _p.named_by).order_by(_p.number).with_for_update()
    known = {row.id: row for row in connection.execute(rows)}
    new, again, named = [], [], []
    for group in groups:
        before = known.get(group.id)
        row = _found(connection, group, run.scope, number, None if before is None else before.state, now)
        if before is None:
            new.append(row | {"first_seen": now})
        elif before.named_by is not None and group.named_by is None:
            # A name that an analyzer has given stays until one gives another.
            named.append({column: value for column, value in row.items() if column not in NAMING})
        else:
            again.append(row)
    if new:
        connection.execute(insert(topic_proposals), new)
    _update(connection, again)
    _update(connection, named)
    _update(connection, [{"id": id_, "went_to": json.dumps(shares)} for id_, shares in gone.items()])
    unseen = _p.state == UNLISTED, _p.scope == run.scope, _p.run < number
    connection.execute(delete(topic_proposals).where(*unseen))
    states = {id_: row.state for id_, row in known.items()}
    _note_proposed(connection, [each for each in groups if _is_new(each, states)], now)
    return [group.id for group in groups if group.id in known and known[group.id].state == ACCEPTED]


def _is_new(group: GroupRow, states: Mapping[str, str]) -> bool:
    return group.is_shown and states.get(group.id, UNLISTED) == UNLISTED


def _note_proposed(connection: Connection, groups: Sequence[GroupRow], now: int) -> None:
    """Tell webhooks of groups that are shown for the first time."""
    wanted = subscribers(connection) if groups else {}
    if TOPIC_PROPOSED in wanted:
        note_events(connection, wanted, [_proposed(each, now) for each in groups])


def _proposed(group: GroupRow, now: int) -> WebhookEvent:
    data = {
        "id": group.id,
        "name": group.name,
        "description": group.description or None,
        "slug": slug(group.name),
        "words": list(group.words),
        "language": group.language or None,
        "size": group.size,
        "people": group.people,
    }
    return WebhookEvent(TOPIC_PROPOSED, now, {"proposal": data}, f"proposal:{group.id}"[:60])


def _update(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Change rows by their ids; all have the same columns."""
    if not rows:
        return
    columns: dict[str, Any] = {column: bindparam(f"the_{column}") for column in rows[0] if column != "id"}
    changed = update(topic_proposals).where(_p.id == bindparam("the_id")).values(columns)
    connection.execute(changed, [{f"the_{column}": value for column, value in row.items()} for row in rows])


def _found(
    connection: Connection, group: GroupRow, scope: str, run: int, state: str | None, now: int
) -> dict[str, Any]:
    """What a row has after a run. Nothing takes back what somebody decided."""
    row = {
        "id": group.id,
        "scope": scope,
        "run": run,
        "state": state if state in DECIDED else PROPOSED if group.is_shown else UNLISTED,
        "language": group.language,
        "name": group.name,
        "description": group.description,
        "named_by": group.named_by,
        "words": json.dumps(group.words, ensure_ascii=False),
        "centroid": group.centroid,
        "members": group.members,
        "examples": json.dumps(group.examples),
        "size": group.size,
        "people": group.people,
        "now": group.now,
        "before": group.before,
        "p": group.p,
        "grew": group.grew,
        "part_of": group.part_of,
        "came_from": json.dumps(group.came_from),
        "went_to": None,
        "last_seen": now,
    }
    return vault_of(connection).sealed(topic_proposals, row)


def last_run(connection: Connection, scope: str) -> int | None:
    """When the last run of a scope ended; None if there was none."""
    ended: int | None = connection.scalar(select(func.max(_r.ended_at)).where(_r.scope == scope))
    return ended


# --- whoever reads or decides -----------------------------------------------------------------------------------


def page(
    connection: Connection, state: str, *, limit: int, after: tuple[int, int] | None = None
) -> Sequence[Row[Any]]:
    """Up to `limit` groups in a state, the largest first, after a place (size, number).

    Of the proposed, those that the last run of their scope has found.
    """
    found = select(topic_proposals).where(_p.state == state)
    if state == PROPOSED:
        found = found.where(_is_current())
    if after is not None:
        size, number = after
        found = found.where(or_(_p.size < size, (_p.size == size) & (_p.number > number)))
    rows = connection.execute(found.order_by(_p.size.desc(), _p.number).limit(limit)).all()
    return vault_of(connection).all_opened(topic_proposals, rows)


def _is_current() -> ColumnElement[bool]:
    last = select(func.max(_r.number)).where(_r.scope == _p.scope).correlate(topic_proposals)
    return _p.run == last.scalar_subquery()


def get(connection: Connection, id_: str) -> Row[Any] | None:
    """A group that was shown once; None if there is none."""
    found = select(topic_proposals).where(_p.id == id_, _p.state != UNLISTED)
    row = connection.execute(found).one_or_none()
    return None if row is None else vault_of(connection).opened(topic_proposals, row)


def is_proposed(connection: Connection, id_: str) -> bool:
    """Whether a group is proposed, which nobody changes until the transaction ends."""
    found = select(_p.number).where(_p.id == id_, _p.state == PROPOSED).with_for_update()
    return connection.scalar(found) is not None


def note_accepted(connection: Connection, id_: str, topic: int, *, by: str, now: int) -> bool:
    """Note that a proposed group has become a topic; False if it is not proposed any more."""
    return _decide(connection, id_, by, now, state=ACCEPTED, topic=topic)


def note_rejected(connection: Connection, id_: str, *, by: str, now: int) -> bool:
    """Note that a proposed group was refused; False if it is not proposed any more."""
    return _decide(connection, id_, by, now, state=REJECTED)


def reopen(connection: Connection, topic: int) -> None:
    """Propose the group again whose topic was taken back, if the topic was made of one."""
    accepted = update(topic_proposals).where(_p.topic == topic, _p.state == ACCEPTED)
    connection.execute(accepted.values(state=PROPOSED, topic=None, decided_by=None, decided_at=None))


def _decide(connection: Connection, id_: str, by: str, now: int, **values: object) -> bool:
    proposed = update(topic_proposals).where(_p.id == id_, _p.state == PROPOSED)
    noted = proposed.values(decided_by=by[:100], decided_at=now, **values)
    return bool(connection.execute(noted).rowcount)
