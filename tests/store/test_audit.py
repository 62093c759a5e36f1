"""The audit log: what was changed, taken out or added behind its back is found."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, text, update

from core.secret_ring import PurposeKey, SecretRing
from database import Database
from models import access_marks, audit_entries
from store.access import audit, audit_chain, marks
from store.access.audit import UNSIGNED, AuditEntry, AuditFilter
from store.access.audit_chain import Verdict

KEY, OTHER = SecretRing(["a" * 32, "b" * 32]).keys("audit log")
_e = audit_entries.c


def entries(count: int) -> list[AuditEntry]:
    return [AuditEntry(number, f"key:{number % 3}", "key.create", f"key:{number}") for number in range(count)]


async def written(db: Database, count: int = 5, key: PurposeKey = KEY) -> None:
    await db.write(partial(audit.append, entries=entries(count), key=key))


async def verdict(db: Database, keys: Sequence[PurposeKey] = (KEY,)) -> Verdict:
    return await db.read(partial(audit_chain.verify, keys=keys))


async def test_an_empty_log_is_whole(db: Database) -> None:
    assert (await verdict(db)).fault is None


async def test_a_log_that_nobody_touched_is_whole(db: Database) -> None:
    await written(db)
    await written(db)

    found = await verdict(db)

    assert found.fault is None
    assert (found.entries, found.unsigned, found.unverifiable) == (10, 0, 0)


CHANGES = st.one_of(
    st.tuples(st.just("change"), st.integers(1, 8), st.sampled_from([*audit.FIELDS, "link", "secret"])),
    st.tuples(st.just("take out"), st.integers(1, 8), st.just("")),
    st.tuples(st.just("swap"), st.integers(1, 7), st.just("")),
    st.tuples(st.just("cut"), st.integers(0, 7), st.just("")),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
async def test_whatever_is_changed_or_taken_out_is_found(db: Database, change: tuple[str, int, str]) -> None:
    kind, number, field = change

    def tamper(connection: Connection) -> Verdict:
        audit.append(connection, entries(8), KEY)
        do(connection, kind, number, field)
        found = audit_chain.verify(connection, [KEY])
        connection.execute(delete(audit_entries))
        connection.execute(delete(access_marks))
        return found

    found = await db.write(tamper)

    assert found.fault is not None
    assert str(number + (kind == "cut")) in found.fault or kind in ("swap", "cut")


def do(connection: Connection, kind: str, number: int, field: str) -> None:
    row = _e.number == number
    match kind:
        case "change":
            new = {"at": 99, "link": b"\1" * 32, "secret": ""}.get(field, "other")
            connection.execute(update(audit_entries).where(row).values({field: new}))
        case "take out":
            connection.execute(delete(audit_entries).where(row))
        case "cut":
            connection.execute(delete(audit_entries).where(_e.number > number))
        case "swap":
            for old, new in ((number, 0), (number + 1, number), (0, number + 1)):
                connection.execute(update(audit_entries).where(_e.number == old).values(number=new))


async def test_the_mark_alone_cannot_be_set_back_with_the_rows_where_a_log_line_was_kept(
    db: Database,
) -> None:
    await written(db)
    end = (await verdict(db)).end
    await db.write(lambda connection: connection.execute(delete(audit_entries).where(_e.number > 3)))
    link = await db.read(
        lambda connection: connection.scalar(text("SELECT link FROM audit_entries WHERE number = 3"))
    )
    await db.write(partial(marks.put, name=marks.AUDIT, mark=marks.Mark(3, link)))

    assert (await verdict(db)).fault is None
    kept = await db.read(partial(audit_chain.verify, keys=[KEY], kept=(end.number, end.link.hex())))
    assert kept.fault == "entry 5 is missing, and all after entry 3"


async def test_a_log_that_was_written_anew_is_told_by_a_kept_line(db: Database) -> None:
    await written(db)

    found = await db.read(partial(audit_chain.verify, keys=[KEY], kept=(2, "00" * 32)))

    assert found.fault is not None
    assert "entry 2" in found.fault


async def test_a_secret_that_was_rotated_away_is_told_apart_from_a_change(db: Database) -> None:
    await written(db, 3, OTHER)
    await written(db, 2, KEY)

    assert await verdict(db, [KEY, OTHER]) == (await verdict(db))._replace(unverifiable=0)
    assert (await verdict(db)).unverifiable == 3
    assert (await verdict(db)).fault is None


async def test_entries_without_a_secret_may_only_come_first(db: Database) -> None:
    """Else whoever can write the table could go on without the secret."""
    await written(db, 2, UNSIGNED)
    await written(db, 1, KEY)
    assert ((await verdict(db)).fault, (await verdict(db)).unsigned) == (None, 2)

    await written(db, 1, UNSIGNED)

    assert (await verdict(db)).fault == "entry 4 was made without a secret, after one that was made with one"


async def test_many_who_append_at_once_make_one_chain(db: Database) -> None:
    await asyncio.gather(*(written(db, 3) for _ in range(12)))

    assert ((await verdict(db)).entries, (await verdict(db)).fault) == (36, None)


async def test_what_does_not_fit_is_cut_and_not_lost(db: Database) -> None:
    long = AuditEntry(1, "a" * 500, "b" * 500, "c\0" + "d" * 500, "e" * 500, "f" * 500, "g" * 500)

    await db.write(partial(audit.append, entries=[long], key=KEY))

    assert (await verdict(db)).fault is None
    (found,) = await db.read(partial(audit.list_entries, chosen=AuditFilter(), limit=9))
    assert found.entry.target.startswith("cd")
    assert len(found.entry.actor) == 100


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (AuditFilter(), [5, 4, 3, 2, 1]),
        (AuditFilter(start=1, end=3), [3, 2]),
        (AuditFilter(actor="key:0"), [4, 1]),
        (AuditFilter(action="key.revoke"), []),
    ],
    ids=["all", "window", "actor", "action"],
)
async def test_entries_are_listed_newest_first(
    db: Database, chosen: AuditFilter, expected: list[int]
) -> None:
    await written(db)

    found = await db.read(partial(audit.list_entries, chosen=chosen, limit=10))

    assert [each.number for each in found] == expected
    below = await db.read(partial(audit.list_entries, chosen=chosen, limit=10, before=4))
    assert [each.number for each in below] == [number for number in expected if number < 4]
