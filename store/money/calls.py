"""The log of calls: one row per call with usage, cost and outcome, without any conversation's text."""

from sqlalchemy import Connection, bindparam, insert, update

from domain.analysis import Usage
from models import grok_calls
from store.engine.vault import vault_of

START = insert(grok_calls).returning(grok_calls.c.number)
ENDING = (
    "finished_at",
    "outcome",
    "status",
    "request_id",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cost_ticks",
    "error",
    "body",
)
FINISH = (
    update(grok_calls)
    .where(grok_calls.c.number == bindparam("at"), grok_calls.c.finished_at.is_(None))
    .values({name: bindparam(f"the_{name}") for name in ENDING})
)


def start(
    connection: Connection, *, provider: str, model: str, conversations: int, reserved: int, now: int
) -> int:
    """Log a call before it is sent and return its number."""
    row = {
        "provider": provider,
        "model": model,
        "conversations": conversations,
        "reserved_ticks": reserved,
        "started_at": now,
    }
    number: int = connection.execute(START, row).scalar_one()
    return number


def finish(
    connection: Connection,
    number: int,
    *,
    outcome: str,
    now: int,
    usage: Usage | None,
    cost_ticks: int,
    status: int | None = None,
    request_id: str | None = None,
    error: str | None = None,
    body: str | None = None,
) -> bool:
    """Log how a call ended; False if that was done before. `body` is set only if it could not be parsed.

    A transaction may have been committed although its commit failed, and then it is repeated.
    """
    used = usage or Usage()
    values = {
        "finished_at": now,
        "outcome": outcome,
        "status": status,
        "request_id": request_id,
        "prompt_tokens": used.prompt_tokens,
        "cached_tokens": used.cached_tokens,
        "completion_tokens": used.completion_tokens,
        "reasoning_tokens": used.reasoning_tokens,
        "cost_ticks": cost_ticks,
        "error": error,
        "body": body,
    }
    stored = vault_of(connection).sealed(grok_calls, {"number": number, **values})
    done = connection.execute(FINISH, {"at": number, **{f"the_{name}": stored[name] for name in ENDING}})
    return done.rowcount == 1


def forget_bodies(connection: Connection, since: int) -> None:
    """Delete the unparsed bodies of all calls since then: they may contain any conversation received since."""
    c = grok_calls.c
    kept = update(grok_calls).where(c.body.is_not(None), c.started_at >= since)
    connection.execute(kept.values(body=None))
