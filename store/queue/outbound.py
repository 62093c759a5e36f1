"""What all processes on a PostgreSQL server go by when they call a provider: whose turn it is, its circuit, its pause.

Two rows a provider. That of the departures is locked while a call leaves, so that no two processes count by themselves.
The other is changed by whoever learns something of the provider. Times are UTC microseconds by the server's clock.
All functions raise SQLAlchemyError.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, Select, bindparam, func, select, update

from models import departures, provider_states
from store.engine.dialect import insert_on_conflict
from store.engine.vault import vault_of
from store.queue.clock import clock_timestamp

s = provider_states.c
STATE_COLUMNS = (
    *("version", "circuit", "reason", "faults", "closings", "probes", "probe_at", "doubted_at"),
    *("paused_until", "pause_reason"),
)


class LastDepartures(NamedTuple):
    """When the last calls left, the oldest first, and what time it is."""

    now: int
    times: Sequence[int]


class ProviderState(NamedTuple):
    """What is known of a provider, as in `provider_states`."""

    version: int
    circuit: str
    reason: str | None
    faults: int
    closings: int
    probes: int
    probe_at: int
    doubted_at: int | None
    paused_until: int
    pause_reason: str | None


def _locked() -> Select[Any]:
    # What stands outside the CTE is evaluated once the row is locked: otherwise the time would be that of the question.
    row = select(departures.c.times).where(departures.c.provider == bindparam("of")).with_for_update().cte()
    idle = func.set_config("idle_in_transaction_session_timeout", bindparam("idle"), True)
    return select(clock_timestamp(), row.c.times, idle)


_TIMES: ColumnElement[Any] = func.array_append(bindparam("kept", type_=ARRAY(BigInteger)), clock_timestamp())
LOCK = _locked()
STAMP = update(departures).where(departures.c.provider == bindparam("of")).values(times=_TIMES)
STATE = select(*(s[name] for name in STATE_COLUMNS), s.provider).where(s.provider == bindparam("of"))
LOCKED_STATE = STATE.with_for_update()


def declare_provider(connection: Connection, provider: str) -> None:
    """Make the rows of a provider, unless they are there."""
    dialect, row = connection.dialect.name, {"provider": provider}
    new = insert_on_conflict(dialect, departures).on_conflict_do_nothing()
    connection.execute(new, {**row, "times": []})
    connection.execute(insert_on_conflict(dialect, provider_states).on_conflict_do_nothing(), row)


def lock_departures(connection: Connection, provider: str, *, idle_ms: int) -> LastDepartures:
    """Wait for the turn of this process, and keep it until the transaction ends.

    The server ends the transaction if nothing is heard of this process for `idle_ms` milliseconds.
    """
    row = connection.execute(LOCK, {"of": provider, "idle": str(idle_ms)}).one()
    return LastDepartures(row[0], row[1])


def stamp_departure(connection: Connection, provider: str, kept: Sequence[int]) -> None:
    """Note that a call has left now, after those of `kept`."""
    connection.execute(STAMP, {"of": provider, "kept": list(kept)})


def provider_state(connection: Connection, provider: str, *, lock: bool = False) -> ProviderState:
    """What is known of a provider; with `lock`, nobody else changes it until the transaction ends."""
    row = connection.execute(LOCKED_STATE if lock else STATE, {"of": provider}).one()
    return ProviderState(*vault_of(connection).opened(provider_states, row)[:-1])


def keep_provider_state(connection: Connection, provider: str, state: ProviderState) -> None:
    """Store what is known of a provider."""
    row = {"provider": provider, **state._asdict()}
    stored = vault_of(connection).sealed(provider_states, row)
    connection.execute(update(provider_states).where(s.provider == provider).values(stored))
