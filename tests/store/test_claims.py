"""A claim: what is skipped, answered from the cache, parked or held; and a text is asked about once."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, select, update

from database import Database
from domain.analysis import ProviderFault
from domain.jobs import Failed, Requeued
from models import asking, conversations
from store.conversations.intake import NewMessage
from store.conversations.records import delete_conversation, retry
from store.queue import analysis
from store.queue.analysis import Completed, Skipped
from tests.support.insight_data import an_analysis, tried
from tests.support.rows import (
    LATE,
    LEASE,
    NOW,
    POLICY,
    answered,
    assert_rolled_up,
    claim,
    complete,
    distinct,
    filed,
    ids,
    new,
    send,
    settle,
    statuses,
    stored,
    take_in,
    texts,
)
from worker.claims import Claim, Claimed
from worker.outcomes import charged, outcomes_after


def locks(connection: Connection) -> int:
    return len(connection.execute(select(asking)).all())


def copies(claimed: Claimed) -> list[str]:
    """Who was answered from the cache."""
    return [each.job.id for each in claimed.ended if isinstance(each, Completed) and each.insight.cached]


def parked(claimed: Claimed) -> list[str]:
    return [each.job.id for each in claimed.ended if isinstance(each, Requeued)]


async def test_an_empty_queue_gives_nothing(db: Database) -> None:
    assert await db.write(claim) == Claimed(0, (), ())


async def test_what_has_to_be_asked_about_is_held(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *distinct(3))

        claimed = claim(connection, limit=2)

        assert (claimed.due, ids(claimed.work), claimed.ended) == (2, ["c0", "c1"], [])
        assert [work.job.lease for work in claimed.work] == ["a", "a"]
        assert statuses(connection) == {"c0": "processing", "c1": "processing", "c2": "queued"}
        assert stored(connection, "c0").run_at == NOW + LEASE
        assert ids(claim(connection, "b").work) == ["c2"]
        assert claim(connection, "c").due == 0

    await tried(db, play)


async def test_a_claim_ends_once_it_has_read_many_digits_and_the_next_goes_on(db: Database) -> None:
    """Redaction takes long for numbers, and on SQLite nobody else can write during a claim."""
    shown: list[str] = []

    def show(text: str) -> str:
        shown.append(text)
        return text

    policy = replace(POLICY, shown=show)

    def play(connection: Connection) -> None:
        take_in(connection, *texts(*(f"{at}{'2671 ' * 700}" for at in range(5)), LATE))

        first, second, last = (claim(connection, token, policy=policy) for token in "abc")

        assert (first.due, first.cut_short, len(first.work)) == (2, True, 2)
        assert (second.due, second.cut_short, len(second.work)) == (2, True, 2)
        assert (last.due, last.cut_short, len(last.work)) == (2, False, 2)
        assert len(shown) == len(set(shown)) == 6, "none is read twice"

    await tried(db, play)


async def test_what_says_nothing_is_skipped_and_not_held(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts("ok", LATE, "Thank you so much for your help!"))

        claimed = claim(connection)

        assert (claimed.due, ids(claimed.work)) == (3, ["c1"])
        assert [each.reason for each in claimed.ended if isinstance(each, Skipped)] == ["too_short", "thanks"]
        assert statuses(connection) == {"c0": "skipped", "c1": "processing", "c2": "skipped"}
        assert_rolled_up(connection)

    await tried(db, play)


async def test_without_the_prefilter_everything_is_asked_about(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts("ok", LATE))

        assert ids(claim(connection, policy=replace(POLICY, prefilter=False)).work) == ["c0", "c1"]

    await tried(db, play)


async def test_of_twins_in_one_claim_one_is_asked_and_the_others_are_copies_of_its_answer(
    db: Database,
) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE.upper(), f"@shop {LATE}"))
        claimed = claim(connection)
        assert ids(claimed.work) == ["c0"]
        assert parked(claimed) == ["c1", "c2"]
        assert claim(connection, "b", now=NOW + 1).due == 0, "they wait"

        complete(connection, claimed.work, now=NOW + 5)
        again = claim(connection, "b", now=NOW + 5)

        assert (again.due, again.work, copies(again)) == (2, [], ["c1", "c2"])
        first, *others = sorted(filed(connection), key=lambda each: each.conversation)
        assert not first.cached
        for other in others:
            assert (other.cached, other.call, other.analysed_at) == (True, None, NOW + 5)
            assert (other.analysis, other.analyzer, other.model) == (first.analysis, "grok", "grok-4.3")
        assert locks(connection) == 0
        assert_rolled_up(connection)

    await tried(db, play)


async def test_a_twin_in_a_later_claim_waits_for_the_first(db: Database) -> None:
    def play(connection: Connection) -> None:
        first, second = texts(LATE, LATE)
        take_in(connection, first)
        claimed = claim(connection)
        take_in(connection, second)

        later = claim(connection, "b", now=NOW + 1)

        assert (later.work, parked(later)) == ([], ["c1"])
        assert stored(connection, "c1").run_at == NOW + LEASE
        complete(connection, claimed.work)
        assert copies(claim(connection, "b", now=NOW + 2)) == ["c1"]

    await tried(db, play)


async def test_a_twin_is_asked_about_itself_where_the_first_fails(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE))
        [work] = claim(connection).work
        settle(connection, [work], [Failed(work.job, "refused", "why", 4)])

        again = claim(connection, "b")

        assert ids(again.work) == ["c1"]
        assert statuses(connection) == {"c0": "failed", "c1": "processing"}
        complete(connection, again.work)
        assert statuses(connection) == {"c0": "failed", "c1": "completed"}, "failures are never cached"

    await tried(db, play)


async def test_a_twin_leads_where_the_first_is_asked_again_later(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE))
        claimed = claim(connection)
        fault = ProviderFault("timeout", "60 s")
        outcomes = outcomes_after(fault, claimed.work, at=NOW, policy=POLICY, wait=20.0)
        settle(connection, claimed.work, outcomes)

        again = claim(connection, "b", now=NOW + 1)

        assert ids(again.work) == ["c1"]
        complete(connection, again.work)
        assert copies(claim(connection, "b", now=NOW + LEASE)) == ["c0"]

    await tried(db, play)


async def test_where_the_first_dies_its_twins_fall_due_and_one_leads(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE, LATE))
        claim(connection, "dead")
        assert claim(connection, "b", now=NOW + LEASE - 1).due == 0

        again = claim(connection, "b", now=NOW + LEASE)

        assert (again.due, len(again.work), len(parked(again))) == (3, 1, 2)
        complete(connection, again.work)
        assert sorted(copies(claim(connection, "c", now=NOW + LEASE))) == sorted(parked(again))
        assert {*statuses(connection).values()} == {"completed"}

    await tried(db, play)


async def test_a_twin_goes_on_waiting_while_the_call_takes_longer(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE))
        claimed = claim(connection)
        send(connection, claimed.work, now=NOW + LEASE - 1)

        again = claim(connection, "b", now=NOW + LEASE)

        assert (again.due, again.work, parked(again)) == (1, [], ["c1"])
        assert stored(connection, "c1").run_at == NOW + 2 * LEASE - 1

    await tried(db, play)


async def test_a_late_answer_still_answers_the_twins_while_nobody_asks(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE))
        claimed = claim(connection)

        assert len(complete(connection, claimed.work, now=NOW + 5 * LEASE)) == 1

        assert copies(claim(connection, "b", now=NOW + 5 * LEASE)) == ["c1"]

    await tried(db, play)


async def test_a_late_answer_changes_nothing_where_somebody_else_asks(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE))
        slow = claim(connection, "slow")
        quick = claim(connection, "quick", now=NOW + LEASE)

        assert complete(connection, slow.work, now=NOW + LEASE) == []

        assert filed(connection) == []
        assert locks(connection) == 1, "the text is still being asked about"
        assert len(complete(connection, quick.work)) == 1

    await tried(db, play)


async def test_a_queue_of_known_texts_holds_nothing_and_asks_nothing(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("known"))
        complete(connection, claim(connection).work)
        take_in(connection, *texts(*[LATE] * 60))

        claimed = claim(connection, "b", limit=40)

        assert (claimed.due, claimed.work, len(copies(claimed))) == (40, [], 40)
        assert locks(connection) == 0
        assert len(copies(claim(connection, "c", limit=40))) == 20
        assert {*statuses(connection).values()} == {"completed"}
        assert_rolled_up(connection)

    await tried(db, play)


async def test_another_version_of_the_model_or_the_prompt_is_asked_anew(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, new("known"))
        complete(connection, claim(connection).work)
        connection.execute(update(conversations).values(status="queued", run_at=NOW))

        other = claim(connection, "b")
        assert copies(other) == ["known"]

        connection.execute(update(conversations).values(status="queued", run_at=NOW))
        newer = Claim(NOW, "c", NOW + LEASE, "grok-5/1", POLICY).take(connection, 5)
        assert ids(newer.work) == ["known"]

    await tried(db, play)


async def test_a_fresh_retry_passes_the_cache_and_its_answer_is_the_newest(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE))
        [work] = claim(connection).work
        settle(connection, [work], [Failed(work.job, "refused", "why", 4)])
        complete(connection, claim(connection, "b").work)
        retry(connection, "c0", fresh=True, now=NOW)
        take_in(connection, new("twin"))

        fresh = claim(connection, "c", now=NOW + 1)

        assert (ids(fresh.work), copies(fresh)) == (["c0"], ["twin"])
        settle(connection, fresh.work, [answered(fresh.work[0], an_analysis(score=9_000))])
        assert {each.analysis.score for each in filed(connection)} == {-6_500, 9_000}
        assert_rolled_up(connection)

    await tried(db, play)


async def test_a_copy_beside_a_fresh_retry_survives_the_answer_to_it(db: Database) -> None:
    """The copy had waited for that text; had it not stopped, the answer would make it due again."""

    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE))
        dead = claim(connection, "dead")
        assert parked(dead) == ["c1"]
        take_in(connection, new("known", received_at=NOW - 1))
        connection.execute(update(conversations).where(conversations.c.id == "c0").values(pass_cache=True))
        key = dead.work[0].key
        first = analysis.due(connection, limit=1, now=NOW)[0]
        analysis.settle(connection, [answered(dead.work[0])._replace(job=first)], now=NOW)
        assert stored(connection, "c1").waits_for == key

        again = claim(connection, "b", now=NOW + LEASE)

        assert (ids(again.work), copies(again)) == (["c0"], ["c1"])
        assert len(complete(connection, again.work, now=NOW + LEASE)) == 1
        assert statuses(connection) == {"c0": "completed", "c1": "completed", "known": "completed"}

    await tried(db, play)


async def test_a_row_that_came_back_wrong_is_asked_again_and_its_twin_with_it(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE))
        [work] = claim(connection).work
        settle(connection, [work], [charged(work.job, "invalid_row", "no score", at=NOW, policy=POLICY)])

        again = claim(connection, "b")

        assert (again.due, len(again.work), len(parked(again))) == (2, 1, 1)

    await tried(db, play)


async def test_when_the_first_is_deleted_its_answer_is_dropped_and_a_twin_is_asked(db: Database) -> None:
    def play(connection: Connection) -> None:
        take_in(connection, *texts(LATE, LATE))
        claimed = claim(connection)
        delete_conversation(connection, "c0")

        assert complete(connection, claimed.work) == []

        assert filed(connection) == []
        assert ids(claim(connection, "b").work) == ["c1"]

    await tried(db, play)


@pytest.mark.parametrize("chat", [False, True])
async def test_a_dialogue_is_no_twin_of_a_text(db: Database, chat: bool) -> None:
    def play(connection: Connection) -> None:
        said = [NewMessage(LATE, None, "customer")]
        take_in(connection, new("text"), new("other", messages=said, is_chat=chat))

        assert len(claim(connection).work) == 1 + chat

    await tried(db, play)
