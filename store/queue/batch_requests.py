"""What batches at the provider carry: their requests, and the conversations of each. Times are UTC microseconds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from models import (
    PACKED,
    SETTLED,
    TRIED,
    batch_items,
    batch_requests,
    conversations,
    provider_batches,
    reanalysis_items,
)
from store.conversations import turns
from store.engine.vault import vault_of
from store.queue.analysis import AnalysisJob, Due, job_of
from store.queue.batches import Batch

_b, _r, _i, _c = provider_batches.c, batch_requests.c, batch_items.c, conversations.c


class PackedItem(NamedTuple):
    """A conversation of a request, as it was when it was packed."""

    conversation: int
    revision: int
    message_count: int
    partial: bool
    cache_key: bytes


class PackedRequest(NamedTuple):
    """A request that was packed and not sent for certain."""

    call: int
    state: str
    body: str | None
    """None if what it asks about was deleted."""
    size: int


class SentRequest(NamedTuple):
    """A request that waits for its row, with what was reserved for it, in ticks on a UTC day."""

    call: int
    day: int
    reserved_ticks: int
    conversations: int


class BatchedConversation(NamedTuple):
    """A conversation of a request that waits for its row, if it is still there."""

    position: int
    job: AnalysisJob
    partial: bool
    cache_key: bytes


def store_request(
    connection: Connection,
    batch: int,
    call: int,
    *,
    day: int,
    reserved: int,
    body: str,
    items: Sequence[PackedItem],
) -> None:
    """Note a request with its conversations, in the transaction that reserves its cost."""
    request = {
        "call": call,
        "batch": batch,
        "state": PACKED,
        "day": day,
        "reserved_ticks": reserved,
        "conversations": len(items),
        "size": len(body.encode()),
        "body": body,
    }
    connection.execute(insert(batch_requests).values(vault_of(connection).sealed(batch_requests, request)))
    rows = [{"call": call, "position": at, **each._asdict()} for at, each in enumerate(items, 1)]
    connection.execute(insert(batch_items), rows)


def size_of(connection: Connection, batch: int) -> tuple[int, int]:
    """How many requests a batch has, and how many bytes they are."""
    counted = select(func.count(), func.coalesce(func.sum(_r.size), 0)).where(_r.batch == batch)
    number, size = connection.execute(counted).one()
    return number, int(size)


# --- sending ------------------------------------------------------------------------------------------------


def next_to_send(connection: Connection, batch: int, *, most_bytes: int) -> list[PackedRequest]:
    """The first requests that were not sent for certain, of so many bytes together, but at least one.

    Those that were perhaps sent come by themselves, and first.
    """
    for state in (TRIED, PACKED):
        sizes = select(_r.call, _r.size).where(_r.batch == batch, _r.state == state).order_by(_r.call)
        calls: list[int] = []
        total = 0
        for call, size in connection.execute(sizes):
            if calls and total + size > most_bytes:
                break
            calls.append(call)
            total += size
        if calls:
            return _packed(connection, calls)
    return []


def _packed(connection: Connection, calls: Sequence[int]) -> list[PackedRequest]:
    columns = _r.call, _r.state, _r.body, _r.size
    rows = connection.execute(select(*columns).where(_r.call.in_(calls)).order_by(_r.call)).all()
    return [PackedRequest(*row) for row in vault_of(connection).all_opened(batch_requests, rows)]


def broken_among(connection: Connection, batch: Batch, calls: Collection[int]) -> set[int]:
    """Those of which a conversation is gone, is not what it was, or is not held by the batch any more."""
    rows = select(_i.call, _i.conversation, _i.revision).where(_i.call.in_(calls))
    items = connection.execute(rows).all()
    held = held_by(connection, batch, [row.conversation for row in items])
    whole = {row.call for row in items} - {
        row.call for row in items if held.get(row.conversation) != row.revision
    }
    return {*calls} - whole


def held_by(connection: Connection, batch: Batch, numbers: Collection[int]) -> Mapping[int, int]:
    """The revisions of those conversations that the batch holds."""
    if batch.reanalysis is not None:
        item = reanalysis_items.c
        found = select(_c.number, _c.revision).join(reanalysis_items, item.conversation == _c.number)
        found = found.where(item.lease == batch.holder)
    else:
        found = select(_c.number, _c.revision).where(_c.lease == batch.holder)
    rows = connection.execute(found.where(_c.number.in_(numbers)))
    return {row.number: row.revision for row in rows}


def mark_requests(connection: Connection, calls: Collection[int], state: str) -> None:
    """Note how far requests are. What the provider has, need not be kept."""
    values: dict[str, Any] = {"state": state} | ({} if state == TRIED else {"body": None})
    connection.execute(update(batch_requests).where(_r.call.in_(calls)).values(values))


def forget_requests(connection: Connection, calls: Collection[int]) -> None:
    """Delete requests that were never sent."""
    connection.execute(delete(batch_items).where(_i.call.in_(calls)))
    connection.execute(delete(batch_requests).where(_r.call.in_(calls)))


# --- settling -----------------------------------------------------------------------------------------------


def open_calls(connection: Connection, batch: int, *states: str) -> Sequence[int]:
    """The requests of a batch that are in one of these states, or not settled."""
    found = select(_r.call).where(_r.batch == batch)
    found = found.where(_r.state.in_(states)) if states else found.where(_r.state != SETTLED)
    return connection.scalars(found.order_by(_r.call)).all()


def request_of(connection: Connection, batch: int, call: int) -> SentRequest | None:
    """A request of a batch that is not settled."""
    columns = tuple(_r[name] for name in SentRequest._fields)
    found = select(*columns).where(_r.call == call, _r.batch == batch, _r.state != SETTLED)
    row = connection.execute(found).one_or_none()
    return None if row is None else SentRequest(*row)


def conversations_of(
    connection: Connection, batch: Batch, call: int, *, with_texts: bool = False
) -> list[BatchedConversation]:
    """Those of a request that are there and wait for its row, by their place in it."""
    items = {row.conversation: row for row in connection.execute(select(batch_items).where(_i.call == call))}
    held = held_by(connection, batch, [*items])
    still = [number for number, row in items.items() if held.get(number) == row.revision and row.cache_key]
    columns = tuple(_c[name] for name in Due._fields)
    rows = connection.execute(select(*columns).where(_c.number.in_(still))).all()
    counts = {row.number: items[row.number].message_count for row in rows} if with_texts else {}
    said = turns.load_turns(connection, counts) if counts else {}
    vault = vault_of(connection)
    found = []
    for row in rows:
        item = items[row.number]
        job = job_of(vault, Due(*row), said[row.number] if with_texts else ())._replace(
            lease=batch.holder,
            revision=item.revision,
            message_count=item.message_count,
            reanalysis=batch.reanalysis,
        )
        found.append(BatchedConversation(item.position, job, bool(item.partial), bytes(item.cache_key)))
    return sorted(found, key=lambda each: each.position)


def count_items(connection: Connection, call: int) -> int:
    """How many conversations of a request were not deleted."""
    return connection.scalar(select(func.count()).select_from(batch_items).where(_i.call == call)) or 0


def free_items(connection: Connection, calls: Collection[int]) -> None:
    """What the answers would be stored by, is not needed any more."""
    connection.execute(update(batch_items).where(_i.call.in_(calls)).values(cache_key=None))


def is_free(connection: Connection, call: int) -> bool:
    """Whether nobody waits for the row of a request any more."""
    waiting = select(_i.call).where(_i.call == call, _i.cache_key.is_not(None)).limit(1)
    return connection.scalar(waiting) is None
