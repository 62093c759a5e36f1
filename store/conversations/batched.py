"""What batches at the provider have of conversations, for whoever deletes those."""

from collections.abc import Collection

from sqlalchemy import Connection, delete, func, select, update

from models import SENT, SETTLED, TRIED, batch_items, batch_requests, provider_batches

_b, _r, _i = provider_batches.c, batch_requests.c, batch_items.c


def kept_until(connection: Connection, numbers: Collection[int]) -> int | None:
    """Until when the provider keeps what it was sent of these conversations; None if it was sent nothing."""
    found = (
        select(func.max(_b.kept_until))
        .join(batch_requests, _r.batch == _b.number)
        .join(batch_items, _i.call == _r.call)
    )
    had = found.where(_i.conversation.in_(numbers), _r.state.in_((TRIED, SENT, SETTLED)))
    until: int | None = connection.scalar(had)
    return until


def forget_batched(connection: Connection, numbers: Collection[int], *, is_gone: bool) -> None:
    """What was to be sent of conversations is not sent any more, unless it has left already.

    `is_gone` is whether the conversations are deleted, so that nobody will ask what the provider has of them.
    """
    calls = connection.scalars(select(_i.call).where(_i.conversation.in_(numbers)).distinct()).all()
    if not calls:
        return
    unsent = update(batch_requests).where(_r.call.in_(calls), _r.body.is_not(None))
    connection.execute(unsent.values(body=None))
    if is_gone:
        connection.execute(delete(batch_items).where(_i.conversation.in_(numbers)))
