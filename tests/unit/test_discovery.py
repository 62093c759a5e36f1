"""Discovery without its process: what is grouped, how groups grow, what they are called, and that they stay."""

from collections.abc import Sequence
from functools import cache
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.packed_numbers import packed, unpacked
from llm.discovery.found import Group, Lost, Utterance
from llm.discovery.graph import communities, graph_of
from llm.discovery.grouping import Grouping
from llm.discovery.growth import carved, chance, growth_of
from llm.discovery.identity import Former, matching_of, told
from llm.discovery.names import distinguishing
from llm.discovery.texts import LONGEST, cleaned, says_something
from llm.discovery.vectors import Encoder, Labels, Matrix, Numbers, centroids, unit_length
from tests.support.subjects import GERMAN, SUBJECTS, wordings
from worker.jobs.discovery import draw


@cache
def encoder() -> Encoder:
    """The weights are read by the process that needs them, and not by every one that looks for tests."""
    return Encoder()


def said(
    texts: Sequence[str],
    *,
    first: int = 1,
    person: int | None = None,
    recent: bool = True,
    language: str = "en",
    topics: Sequence[int] = (),
) -> list[Utterance]:
    """Texts with numbers from `first`, each by a person of its own unless one is given."""
    numbers = range(first, first + len(texts))
    return [
        Utterance(number, person or number, recent, language, text, topics)
        for number, text in zip(numbers, texts, strict=True)
    ]


def all_subjects(count: int, seed: int = 1, first: int = 1, *, recent: bool = True) -> list[Utterance]:
    texts = [text for subject in SUBJECTS for text in wordings(subject, count, seed)]
    return said(texts, first=first, recent=recent)


def run(
    drawn: Sequence[Utterance], others: Sequence[Utterance] = (), former: Sequence[Former] = ()
) -> tuple[list[Group], list[Lost]]:
    grouping = Grouping(encoder(), former, seed=1, min_people=5)
    grouping.fit(drawn)
    grouping.place(others)
    return grouping.groups()


def remembered(groups: Sequence[Group]) -> list[Former]:
    return [
        Former(each.former or f"group-{place}", each.language, each.members, each.centroid)
        for place, each in enumerate(groups)
    ]


def named(groups: Sequence[Group], word: str) -> list[Group]:
    return [each for each in groups if any(word in term.split() for term in each.words)]


def numbers_of(*values: int) -> Numbers:
    return np.array(values, dtype=np.int64)


def labels_of(*values: int) -> Labels:
    return np.array(values, dtype=np.int32)


# --- what is grouped ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "My card broke.",
        "@acme https://example.com/a/very/long/link",
        "Hello, good morning to you all!",
        "Thank you so much for your help &amp; have a nice weekend :)",
        "Vielen Dank für alles, einen schönen Tag",
        "Muchas gracias, buenos días a todos",
    ],
)
def test_a_courtesy_or_an_empty_text_is_not_grouped(text: str) -> None:
    assert not says_something(cleaned(text))


@pytest.mark.parametrize(
    "text",
    ["Where is my refund, please?", "Thanks, but the card is still blocked", "Wo ist mein Paket?  Danke"],
)
def test_a_courteous_question_is_grouped(text: str) -> None:
    assert says_something(cleaned(text))


def test_a_text_is_grouped_without_links_handles_and_entities() -> None:
    assert cleaned("@acme  the app &amp; the site are down\nhttps://t.co/x") == "the app & the site are down"
    assert len(cleaned("word " * 1000)) <= LONGEST


@given(st.sets(st.integers(0, 2**62)))
def test_packed_numbers_come_back_in_order(numbers: set[int]) -> None:
    assert unpacked(packed(numbers)) == sorted(numbers)


def test_what_was_not_packed_is_refused() -> None:
    with pytest.raises(ValueError, match="not a packed list"):
        unpacked(b"x")


# --- communities --------------------------------------------------------------------------------------------


def around(*middles: Sequence[float], each: int = 12) -> Matrix:
    draw = np.random.default_rng(1)
    spread = np.concatenate(
        [np.array(middle) + draw.normal(0, 0.05, (each, len(middle))) for middle in middles]
    )
    return unit_length(spread.astype(np.float32))


def test_two_clouds_are_two_communities_whatever_the_seed() -> None:
    graph = graph_of(around((1, 0, 0), (0, 1, 0)))

    for seed in range(5):
        found = communities(graph, 1, seed)
        assert len(set(found[:12])) == len(set(found[12:])) == 1
        assert found[0] != found[12]


def test_the_same_seed_makes_the_same_groups() -> None:
    graph = graph_of(encoder().encoded([text for texts in SUBJECTS.values() for text in texts]))

    assert communities(graph, 12, 7).tolist() == communities(graph, 12, 7).tolist()


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_few_vectors_are_groups_too(size: int) -> None:
    opposite = unit_length(np.array([[1, 0], [-1, 0], [0, 1]], dtype=np.float32)[:size])

    assert communities(graph_of(opposite), 1, 1).tolist() == list(range(size))


def test_a_group_without_vectors_has_no_direction() -> None:
    middles = centroids(around((1, 0), each=3), labels_of(0, 0, 2), 3)

    assert np.linalg.norm(middles, axis=1).round(5).tolist() == [1, 0, 1]


# --- growth -------------------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(0, 40), st.floats(0.05, 0.95))
def test_the_chance_is_the_binomials_tail(now: int, before: int, share: float) -> None:
    total = now + before
    tail = sum(comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(now, total + 1))

    assert chance(numbers_of(now), numbers_of(before), share)[0] == pytest.approx(tail)


def test_growth_counts_people_not_texts() -> None:
    labels, people = labels_of(*[0] * 20, 1, 1), numbers_of(*[7] * 20, 8, 9)

    growth = growth_of(labels, people, np.ones(22, dtype=np.bool_))

    assert growth.now.tolist() == [1, 2]


def test_what_grew_inside_of_a_group_is_carved_out_of_it() -> None:
    coarse, fine = labels_of(*[0] * 60, *[1] * 60), labels_of(*[0] * 40, *[1] * 20, *[2] * 60)
    recent = np.array([*[False] * 40, *[True] * 20, *[False] * 30, *[True] * 30])

    labels, grew = carved([coarse, fine], np.arange(120), recent, 5)

    assert [labels[0], labels[50], labels[100]] == [0, 2, 1]
    assert grew.tolist() == [False, False, True]


def test_what_grew_is_found_once_whatever_the_resolutions() -> None:
    twice = labels_of(*[0] * 60, *[1] * 30)
    recent = np.array([*[False] * 60, *[True] * 30])

    labels, grew = carved([twice, twice, twice], np.arange(90), recent, 5)

    assert len(set(labels.tolist())) == len(grew) == 2
    assert grew.sum() == 1


def test_one_sender_with_many_texts_is_no_growth() -> None:
    labels = labels_of(*[0] * 60, *[1] * 30)
    people = numbers_of(*range(60), *[99] * 30)
    recent = np.array([*[False] * 60, *[True] * 30])

    assert not carved([labels], people, recent, 5)[1].any()


# --- identity -----------------------------------------------------------------------------------------------

MIDDLES = unit_length(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32))
NO_MEAN = np.zeros(3, dtype=np.float32)


def former(*members: Numbers, middles: Matrix = MIDDLES) -> list[Former]:
    return [Former(f"g{place}", "en", each, middles[place]) for place, each in enumerate(members)]


@given(st.permutations(range(4)), st.integers(1, 8))
def test_groups_keep_their_id_whatever_their_order(order: list[int], each: int) -> None:
    numbers = np.arange(4 * each)
    old = [Former(f"g{place}", "en", numbers[place::4], NO_MEAN) for place in range(4)]
    labels = np.array([order[number % 4] for number in numbers], dtype=np.int32)

    found = matching_of(old, numbers, labels, np.zeros((4, 3), dtype=np.float32), NO_MEAN)

    assert [old[place].id for place in found.former] == [f"g{order.index(label)}" for label in range(4)]


def test_conversations_that_only_one_run_saw_do_not_count() -> None:
    old = former(np.arange(0, 100), np.arange(1000, 1100))

    found = matching_of(old, np.arange(90, 120), np.zeros(30, dtype=np.int32), MIDDLES[2:], NO_MEAN)

    assert found.former.tolist() == [0]


def test_without_a_conversation_in_common_the_direction_tells() -> None:
    old = former(np.arange(0, 10), np.arange(10, 20))

    found = matching_of(old, np.arange(50, 60), labels_of(*[0, 1] * 5), MIDDLES[[1, 2]], NO_MEAN)

    assert found.former.tolist() == [1, -1]


def test_a_group_that_went_into_another_has_a_lineage() -> None:
    old = former(np.arange(0, 30), np.arange(30, 40))

    found = matching_of(old, np.arange(0, 40), labels_of(*[0] * 40), MIDDLES[:1], NO_MEAN)

    assert found.former.tolist() == [0]
    assert told(found.parts[1], ["whole"]) == [("whole", 1.0)]
    assert told(found.origins[:, 0], ["g0", "g1"]) == [("g0", 0.75), ("g1", 0.25)]


# --- names --------------------------------------------------------------------------------------------------


def called(texts: dict[int, list[str]], people: dict[int, list[int]] | None = None) -> dict[int, list[str]]:
    each = people or {group: list(range(len(said))) for group, said in texts.items()}
    return distinguishing(texts, each, 5)


def test_a_pair_stands_for_its_words() -> None:
    words = called({1: ["my gift card is empty"] * 6, 2: ["the parcel is lost"] * 6})

    assert words[1][0] in {"gift card", "card empty"}
    assert "card" not in words[1]


def test_a_word_of_one_person_names_nothing() -> None:
    texts = {1: ["refund of zanzibar"] * 9, 2: ["late parcel"] * 9}

    assert called(texts, {1: [1] * 9, 2: list(range(9))}) == {1: [], 2: ["late parcel"]}


def test_a_word_of_every_group_names_none() -> None:
    texts = {group: [f"bank {word}"] * 6 for group, word in enumerate(["card", "loan", "fee", "app", "desk"])}

    assert all("bank" not in words for words in called(texts).values())


# --- a whole run --------------------------------------------------------------------------------------------


def test_each_subject_is_a_group_with_its_words() -> None:
    groups, _ = run(all_subjects(30))

    for word in ("password", "rate", "membership", "flight"):
        (group,) = named(groups, word)
        assert group.people >= 25
        assert set(group.examples) <= set(group.members.tolist())


def test_what_was_not_drawn_joins_the_nearest_group() -> None:
    more = said(wordings("cancelled_flight", 10, seed=2), first=5001)

    groups, _ = run(all_subjects(30), more)

    (flights,) = named(groups, "flight")
    assert set(range(5001, 5011)) <= set(flights.members.tolist())


def test_each_language_is_grouped_by_itself() -> None:
    german = [text for subject in GERMAN for text in wordings(subject, 30)]

    groups, _ = run([*all_subjects(30), *said(german, first=5001, language="de")])

    for group in groups:
        assert {number > 5000 for number in group.members.tolist()} == {group.language == "de"}
    assert named(groups, "rechnung")


def test_texts_of_an_unknown_language_are_with_those_of_the_main_one() -> None:
    unknown = said(wordings("cancelled_flight", 10, seed=2), first=5001, language="")

    groups, _ = run([*all_subjects(30), *unknown])

    flights = {number for each in named(groups, "flight") for number in each.members.tolist()}
    assert set(range(5001, 5011)) <= flights
    assert {each.language for each in groups} == {"en"}


def test_a_language_of_few_texts_is_not_grouped() -> None:
    groups, _ = run(said(wordings("falsche_rechnung", 19), language="de"))

    assert groups == []


def test_a_new_complaint_grows_and_has_its_words_in_its_name() -> None:
    before, now = all_subjects(60, recent=False), all_subjects(60, seed=2, first=1001)
    pools = said(wordings("pool", 20), first=5001)

    groups, _ = run([*before, *now, *pools])

    (grown,) = [each for each in groups if each.grew]
    assert set(grown.members.tolist()) == set(range(5001, 5021))
    assert (grown.now, grown.before) == (20, 0)
    assert named([grown], "pool") or named([grown], "chlorine")


def test_the_next_run_keeps_ids_and_tells_what_became_of_the_rest() -> None:
    first, _ = run(all_subjects(30))

    second, lost = run([*all_subjects(30), *all_subjects(3, seed=2, first=5001)], former=remembered(first))

    kept = {each.former for each in second}
    assert len(kept & {each.id for each in remembered(first)}) >= 0.95 * len(first)
    assert all(each.now_in for each in lost)


def test_a_topic_that_says_what_a_group_does_explains_it() -> None:
    gyms = said(wordings("gym_membership", 30, seed=2), first=1001, topics=[4])
    flights = said(wordings("cancelled_flight", 30, seed=2), first=2001, topics=[9])
    others = [each._replace(topics=[9]) for each in all_subjects(30) if "flight" not in each.text]

    groups, _ = run(
        [
            *gyms,
            *flights,
            *[each for each in others if "membership" not in each.text and "gym" not in each.text],
        ]
    )

    (gym,), (flight,) = named(groups, "membership"), named(groups, "flight")
    assert (gym.topic.number, gym.topic.explains) == (4, True)
    assert (flight.topic.number, flight.topic.explains) == (9, False)


@given(st.lists(st.integers(1, 2**60), unique=True, max_size=300), st.integers(1, 100))
def test_a_draw_leaves_nobody_out_and_takes_all_where_it_can(numbers: list[int], count: int) -> None:
    drawn, others = draw(numbers, count)

    assert sorted([*drawn, *others]) == [*range(len(numbers))]
    assert len(numbers) > count or not others


def test_two_draws_of_nearly_the_same_numbers_are_nearly_the_same() -> None:
    first, second = (set(draw(range(start, start + 10_000), 1_000)[0]) for start in (1, 501))

    assert 900 <= len(first) <= 1_100
    assert len(first & {place + 500 for place in second}) >= 0.9 * len(first)
