"""The statements of the queue, made once: making them anew for every batch was a quarter of the engine's CPU."""

from typing import NamedTuple

from sqlalchemy import Integer, bindparam, select, update

from models import COMPLETED, PROCESSING, QUEUED, conversations
from store.conversations.revisions import LeasedConversation
from store.engine.prepared import Prepared, among


class Due(NamedTuple):
    """What is read of a conversation that is due."""

    number: int
    id: str
    revision: int
    timestamp: int
    author: str | None
    is_chat: int
    run_at: int
    failures: int
    pack_limit: int | None
    pass_prefilter: int
    pass_cache: int
    message_count: int
    lease: str | None


JOB_COLUMNS = tuple(conversations.c[name] for name in Due._fields)
HELD_COLUMNS = tuple(conversations.c[name] for name in LeasedConversation._fields)
# Of every ending: an ended row is nobody's, and a text's answer must not make it due again.
ENDED = {"run_at": None, "lease": None, "waits_for": None, "waiting_since": None, "quiet_at": None}
ANEW = ("run_at", "failures", "pack_limit", "error", "waits_for")

_c = conversations.c
_THESE = _c.number.in_(bindparam("numbers", expanding=True))
_THIS = _c.number == bindparam("at")
DUE = Prepared(
    select(*JOB_COLUMNS)
    .where(_c.run_at <= bindparam("now"))
    .order_by(_c.run_at, _c.number)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
HELD = Prepared(
    select(*HELD_COLUMNS).where(among(_c.number, "numbers")).order_by(_c.number).with_for_update()
)
LEASE = (
    update(conversations)
    .where(_THESE)
    .values(
        status=PROCESSING,
        lease=bindparam("token"),
        run_at=bindparam("until"),
        waits_for=None,
        quiet_at=None,
    )
)
RENEW = update(conversations).where(_THESE).values(run_at=bindparam("until"), attempts=_c.attempts + 1)
COMPLETE = (
    update(conversations)
    .where(_THESE)
    .values({**ENDED, "status": COMPLETED, "error": None, "finished_at": bindparam("now")})
)
END = (
    update(conversations)
    .where(_THIS)
    .values(
        {
            **ENDED,
            "status": bindparam("new_status"),
            "error": bindparam("why"),
            "failures": bindparam("count"),
            "finished_at": bindparam("now"),
        }
    )
)
REQUEUE = (
    update(conversations)
    .where(_THIS)
    .values(
        {
            "status": QUEUED,
            "lease": None,
            "quiet_at": None,
            **{name: bindparam(f"new_{name}") for name in ANEW},
        }
    )
)
