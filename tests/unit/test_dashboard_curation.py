"""Topics, proposals and jobs of the dashboard as rows and sentences."""

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from client.answers import Job, Proposal, Topic, TopicChange
from client.answers.proposals import ProposalGrowth
from dashboard import curation, proposed, running, words

AT = datetime(2026, 11, 12, 7, 14, tzinfo=UTC)
CALLED = {"top_1": "Billing", "top_2": "Refund"}


def topic(id_: str, slug: str, **given: Any) -> Topic:
    plain: dict[str, Any] = {
        **{"label": slug.capitalize(), "description": "", "parent": None, "state": "active"},
        **{"origin": "built_in", "aliases": [], "merged_into": None, "created_at": None},
    }
    return Topic.model_validate({"id": id_, "slug": slug, **plain, **given})


TOPICS = [
    topic("top_1", "billing", description="charges, invoices", aliases=["bills"]),
    topic("top_2", "refund", state="merged", merged_into="top_1"),
    topic("top_3", "praise", state="hidden", parent="top_1"),
]


def change(
    kind: Literal["edit", "merge", "split"],
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    undone: bool = False,
    number: int = 1,
) -> TopicChange:
    return TopicChange(
        id=number,
        at=AT,
        by="key:1",
        kind=kind,
        topic="top_1",
        before=before,
        after=after,
        undone_at=AT if undone else None,
        undone_by="key:2" if undone else None,
    )


@pytest.mark.parametrize(
    ("said", "state", "slugs"),
    [
        (None, None, ["billing", "praise"]),
        (None, "merged", ["refund"]),
        ("INVOICES charges", None, ["billing"]),
        ("bills", None, ["billing"]),
        ("nothing", None, []),
    ],
)
def test_topics_are_listed_by_words_and_state(said: str | None, state: str | None, slugs: list[str]) -> None:
    assert [each.slug for each in curation.listed(TOPICS, said, state)] == slugs


@pytest.mark.parametrize(
    ("name", "id_"),
    [("billing", "top_1"), ("top_3", "top_3"), ("refund", "top_1"), ("bills", "top_1"), ("never", None)],
)
def test_a_topic_is_found_by_each_of_its_names(name: str, id_: str | None) -> None:
    found = curation.found(TOPICS, name)

    assert (found.id if found else None) == id_


def test_facts_name_what_is_above_below_and_merged() -> None:
    facts = {row["what"]: row["found"] for row in curation.facts(TOPICS[0], TOPICS)}
    above = {row["what"]: row["found"] for row in curation.facts(TOPICS[2], TOPICS)}

    assert (facts["Merged into it"], facts["Below it"], above["Above it"]) == ("Refund", "Praise", "Billing")
    assert above["Other names"] == words.UNKNOWN


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (change("merge", {}, {"into": "top_1", "from": ["top_2"]}), "“Refund” merged into “Billing”"),
        (
            change("split", {}, {"into": "top_2", "how": "words"}),
            "Conversations moved from “Billing” to “Refund” by their words",
        ),
        (
            change("split", {}, {"into": "top_1", "how": "proposal"}),
            "“Billing” made of the conversations of a proposal that was accepted",
        ),
        (
            change("edit", {"label": None, "parent": "top_2"}, {"label": "Bills", "parent": None}),
            "“Billing”: label from nothing to “Bills”; topic above it from “Refund” to nothing",
        ),
        (
            change("split", {}, {"into": "top_9", "how": "a later way"}),
            "Conversations moved from “Billing” to “top_9”",
        ),
    ],
)
def test_a_change_is_told_in_a_sentence(made: TopicChange, sentence: str) -> None:
    assert curation.sentence_of(made, CALLED) == sentence


def test_the_undo_takes_the_newest_change_back_that_stands() -> None:
    changes = [change("edit", {}, {}, undone=True, number=3), change("edit", {}, {}, number=2)]

    assert curation.standing(changes) == changes[1]
    assert curation.standing(changes[:1]) is None


def proposal(*, significant: bool, p: float) -> Proposal:
    grown = ProposalGrowth(people=20, people_before=3, p=p, is_significant=significant)
    plain: dict[str, Any] = {
        **dict.fromkeys(("named_by", "description", "language", "part_of", "went_to", "topic"), None),
        **dict.fromkeys(("decided_by", "decided_at"), None),
        **{"words": ["pool", "swimming"], "came_from": [], "examples": [], "state": "proposed"},
    }
    return Proposal(
        id="p", name="n", slug="n", size=20, people=20, growth=grown, first_seen=AT, last_seen=AT, **plain
    )


@pytest.mark.parametrize(
    ("significant", "p", "likely", "sentence"),
    [
        (True, 1e-4, "a rise", "By chance alone this happens in 1 in 10,000 windows."),
        (False, 0.03, "perhaps", "Chance explains that."),
        (False, 0.3, "chance", "Chance explains that."),
    ],
)
def test_growth_is_told(significant: bool, p: float, likely: str, sentence: str) -> None:
    found = proposal(significant=significant, p=p)

    assert proposed.likelihood(found) == likely
    assert proposed.growth_of(found).endswith(sentence)
    assert proposed.proposal_rows([found])[0]["words"] == "pool, swimming"


def job(status: str, kind: str = "merge_topics", done: int = 4, total: int | None = 10) -> Job:
    return Job.model_validate(
        {
            **{"id": status, "kind": kind, "status": status, "done": done, "total": total, "usd": 0},
            **{"conversations": 0, "error": None, "created_at": AT, "created_by": "key:1", "ended_at": None},
        }
    )


def test_jobs_that_have_not_ended_come_the_oldest_first() -> None:
    jobs = [job("running"), job("completed"), job("queued", kind="later")]

    assert [each.status for each in running.unfinished(jobs)] == ["queued", "running"]
    assert [each.status for each in running.unfinished(jobs, running.CURATION)] == ["running"]
    assert running.kind_of(jobs[2]) == running.OTHER


@pytest.mark.parametrize(("total", "share"), [(10, 0.4), (2, 1.0), (0, 0.0), (None, 0.0)])
def test_a_bar_is_never_longer_than_its_box(total: int | None, share: float) -> None:
    assert running.share(job("running", total=total)) == share
