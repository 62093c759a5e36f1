"""What the offline analyzer makes of a text: a sentence for each rule, and properties of any text."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.topics import BUILT_IN
from llm.offline.analyzer import row_of
from llm.offline.child import analyse_text
from llm.offline.sentiment import _phrases, banded
from llm.offline.text import ngrams
from llm.offline.topics import OTHER, OTHER_LANGUAGE, _places, _rules, _slugs

WORDS = ["not", "never", "very", "good", "worst", "thanks", "bag", "?", "!", ".", "no,", "would", "\n"]
MARKS = [
    "#NotHappy",
    "@shop",
    "😀",
    "customer: ",
    "agent: ",
    "\ncustomer: ",
    "\\u2019",
    "&amp;",
    "www.",
    "I'm",
]


def score(text: str) -> int:
    return analyse_text(text, BUILT_IN).score


def sentiment(text: str) -> int:
    return analyse_text(text, BUILT_IN).sentiment


def clusters(text: str) -> tuple[str, ...]:
    return analyse_text(text, BUILT_IN).clusters


@pytest.mark.parametrize(
    "text",
    [
        "Your courier was rude and the box was filthy",
        "My router is still not connected",  # nothing bad is said, something went wrong
        "On hold for two hours",
        "No reply since Monday",
        "Where is my suitcase? Nobody knows",
        "Great, yet another delay",  # irony
        "Love being told to call back tomorrow",
        "Thanks for nothing",
        "Thanks, but my parcel never arrived",
        "Nice work, you lost my bag and hung up on me",
        "The room was not good",  # negation
        "I can\\u2019t log in and nothing works, useless",  # an escape that nobody decoded
        "#NotHappy with my seat",  # tags are words
        "#worstserviceever",
        "#FilthyRoom",
        "WORST. TRIP. EVER.",
        "The soup is great, but the waiter was horrible and refused to say sorry",
    ],
)
def test_a_complaint_is_negative(text: str) -> None:
    assert sentiment(text) == -1


@pytest.mark.parametrize(
    "text",
    [
        "Which gate does the 9:40 to Lisbon leave from",
        "@awesome which gate is it",  # a handle is a name
        "United and Super Mario Land are on channel 5",  # a brand is a name
        "We listened to Happy Mondays on the way to the office",
        "Good morning, I am moving to Leeds in May",  # courtesy
        "Please tell me where to send the form",
        "Could you tell me when the shop opens? Thanks!",
        "Is noon a good time to come?",  # asked, not said
        "It would be nice to sort by date",
        "No, at home. Yes, with the cable.",  # answers
        "No thanks",
        "Parking is free on Sunday",  # a fact
        "The blue one is kind of square",  # a degree
        "I have not had problems with it",  # what is not bad is not yet good
    ],
)
def test_what_takes_no_side_is_neutral(text: str) -> None:
    assert sentiment(text) == 0


@pytest.mark.parametrize(
    "text",
    [
        "Thank you",
        "Thanks for sorting this out",
        "The crew was wonderful",
        "Not bad at all, we will be back",
        "No problem, it works now",
        "Can't wait for the show",
        "You guys rock",
        "You went above and beyond for my grandmother",
        "I \\u2764 this, so happy",
        "You folks &lt;3",
        "I don\u2019t mind the wait, the food is excellent",
    ],
)
def test_praise_is_positive(text: str) -> None:
    assert sentiment(text) == 1


def test_an_exclamation_mark_adds_to_what_is_said_and_says_nothing_itself() -> None:
    assert score("The food is good!") > score("The food is good")
    assert score("The food is bad!") < score("The food is bad")
    assert sentiment("It is Tuesday!!!") == 0


def test_capitals_that_stand_out_weigh_more() -> None:
    assert score("That room is AWFUL") < score("That room is awful")


def test_thanks_count_for_less_in_a_question() -> None:
    assert score("Is the shop open? Thanks") < score("The shop is open. Thanks")


def test_thanks_soften_no_complaint() -> None:
    assert score("Thanks. The driver was rude.") == score("The driver was rude.")


def test_praise_counts_for_less_beside_a_complaint() -> None:
    assert score("Excellent, still waiting") < score("Excellent") + score("Still waiting")


def test_an_emoji_counts_once_however_often_it_is_repeated() -> None:
    assert score("Monday 😍😍😍😍") == score("Monday 😍") > 0


def test_headlines_are_not_names() -> None:
    assert sentiment("Our Breakfast Was Wonderful And The Staff Was Lovely") == 1


def test_sentiment_and_clusters_are_the_customers() -> None:
    said = "customer: My bag is lost.\nIt is green.\nagent: Wonderful, a perfect day! Your invoice is ready."

    on_draft = analyse_text(said, BUILT_IN)

    assert (on_draft.score, on_draft.clusters) == (
        score("My bag is lost.\nIt is green."),
        clusters("My bag is lost."),
    )


def test_where_no_line_is_the_customers_everything_counts() -> None:
    assert sentiment("agent: This is terrible") == -1


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("The courier left the parcel on the doorstep", "delivery_problems"),
        ("We are two hours late and still sitting on the tarmac", "delay"),
        ("You cancelled my trip", "cancellation"),
        ("My suitcase arrived ripped", "lost_or_damaged_item"),
        ("The seat was cramped and the meal was stale", "product_quality"),
        ("The kettle is broken, it won't turn on", "product_defect"),
        ("The website is down", "service_outage"),
        ("I was charged twice on my credit card", "billing"),
        ("I want a refund", "refund"),
        ("How much does it cost with the discount", "pricing"),
        ("I need to change my reservation", "booking"),
        ("I forgot my password and cannot log in", "account_access"),
        ("The app shows an error after the update", "technical_issue"),
        ("Customer service hung up on me", "customer_service"),
        ("The driver was rude", "staff_behaviour"),
        ("An hour in the queue, such a long line", "waiting_time"),
        ("What is the address of the shop", "information_request"),
        ("Please add a dark mode feature", "feature_request"),
        ("Thank you, that was brilliant", "praise"),
        ("This is a disgrace", "complaint_other"),
    ],
)
def test_every_built_in_topic_is_found(text: str, topic: str) -> None:
    assert topic in clusters(text)


def test_thanks_in_a_complaint_are_no_praise() -> None:
    assert "praise" not in clusters("Thanks for nothing, what a disgrace")


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        (
            "Nobody on the phone helps, the call ended, and you cancelled my trip",
            "cancellation",
            "customer_service",
        ),
        ("Where is my suitcase, and is it still here?", "lost_or_damaged_item", "information_request"),
        ("Thank you, the crew was brilliant", "staff_behaviour", "praise"),
        ("The line was long, and the meal was stale and cold", "product_quality", "waiting_time"),
        ("How do I get the refund?", "refund", "information_request"),
    ],
)
def test_the_most_specific_topic_comes_first(text: str, first: str, second: str) -> None:
    found = clusters(text)

    assert found[0] == first
    assert second in found


def test_an_operators_own_topic_comes_before_the_built_in_ones() -> None:
    topics = {"refund": "", "gift_card": "", "other_things": ""}

    assert analyse_text("A refund is what I want, refunded on my gift card", topics).clusters == (
        "gift_card",
        "refund",
    )


@pytest.mark.parametrize("text", ["?", "Really??", "Monday?", "The blue one, on Monday", "so. what?", ""])
def test_a_question_mark_alone_is_no_topic(text: str) -> None:
    assert clusters(text) == ("other",)


@pytest.mark.parametrize(
    "text", ["Is the shop open on Sunday?", "Hi, can dogs come along?", "We land at noon. Do buses run?"]
)
def test_a_question_about_nothing_else_is_a_request_for_information(text: str) -> None:
    assert clusters(text) == ("information_request",)


def test_what_takes_no_side_gets_the_last_topic_of_an_operators_own_list() -> None:
    assert analyse_text("The blue one, on Monday", {"gift_card": "", "rest": ""}).clusters == ("rest",)


@pytest.mark.parametrize(
    "text",
    ["Can't wait for the show", "I cannot wait to see it", "We cant wait!", "I could not wait to tell you"],
)
def test_eagerness_is_no_waiting(text: str) -> None:
    assert "waiting_time" not in clusters(text)


@pytest.mark.parametrize(
    "text",
    [
        "I can't wait any longer",
        "We cannot wait here all day",
        "Can't wait on hold again",
        "I can't wait, no waits",
    ],
)
def test_impatience_is_waiting(text: str) -> None:
    assert "waiting_time" in clusters(text)


def test_of_equally_specific_topics_the_one_named_most_comes_first_and_one_in_passing_not_at_all() -> None:
    found = clusters("A refund! I was charged a fee, then billed again: fees, charges, invoices, payments.")

    assert (found[0], "refund" in found) == ("billing", False)


def test_no_text_is_about_everything() -> None:
    assert len(clusters("Refund, invoice, password, queue, luggage, discount and reservation")) == 4


def test_what_a_link_says_is_no_topic() -> None:
    assert "refund" not in clusters("It is on https://shop.example/refund and www.shop.example/refund")


def test_where_nothing_is_found_an_operators_last_topic_is_what_is_left() -> None:
    own = {"gardens": "plants", "rest": "all else"}

    assert analyse_text("This is a disgrace", own).clusters == ("rest",)


def test_an_operators_topic_is_found_by_the_words_of_its_slug() -> None:
    own = {"late_harvest": "grapes", "billing": "money", "rest": "all else"}

    assert analyse_text("The harvest was late", own).clusters == ("late_harvest",)


def test_reasoning_names_what_was_found_and_not_the_text() -> None:
    found = analyse_text("Zebras are wonderful but my flight to Quito is horrible", BUILT_IN).reasoning

    assert "horrible" in found
    assert "wonderful" in found
    assert "delay" not in found
    assert "Quito" not in found
    assert "Zebras" not in found


def test_reasoning_says_what_else_was_counted_where_no_word_is_a_complaint() -> None:
    found = analyse_text("Why? It does not open, it does not close, never did? Since when?", BUILT_IN)

    assert found.sentiment == -1
    assert found.reasoning.startswith("No word of praise or complaint; counted: questions, negations, why. ")


def test_a_chat_is_no_worse_for_being_longer() -> None:
    said = "The blue one is in the hall. "

    assert score(said * 50) == score(said)


def test_a_word_that_negation_turned_is_named_with_it() -> None:
    assert "not good" in analyse_text("The soup was not very good", BUILT_IN).reasoning


def test_confidence_is_lower_where_praise_and_complaint_are_mixed() -> None:
    praise = "The room was good and the staff was helpful."
    pure, mixed = (analyse_text(text, BUILT_IN) for text in (praise, f"{praise} The coffee was awful."))

    assert mixed.confidence < pure.confidence


@pytest.mark.parametrize("rules", [_phrases(), _rules()])
def test_every_phrase_of_the_rules_can_be_met_in_a_text(rules: dict[str, object]) -> None:
    assert [phrase for phrase in rules if phrase not in ngrams(phrase)] == []


def test_every_topic_that_has_rules_is_built_in_and_every_built_in_one_has_rules() -> None:
    assert _slugs() == _places().keys() == set(BUILT_IN)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_the_bands_keep_the_order_of_compounds_and_their_ends(one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert -1 == banded(-1) <= banded(low) <= banded(high) <= banded(1) == 1


@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS + MARKS)).map(" ".join)))
def test_any_text_has_a_valid_row_and_the_same_one_again(text: str) -> None:
    found = analyse_text(text, BUILT_IN)

    assert found == analyse_text(text, BUILT_IN)
    assert found == row_of(json.loads(found.raw))
    assert set(found.clusters) <= {*BUILT_IN, OTHER, OTHER_LANGUAGE}
    assert len(found.reasoning) < 400


@pytest.mark.parametrize(
    "part",
    [
        "good ",
        "Good ",
        "NOT GOOD ",
        "😂😭",
        "#aB",
        "#" + "not" * 9,
        "a?b",
        " - ",
        "customer: a\n",
        "\\u0041",
        "&lt;",
        ", is",
        "? how",
    ],
)
def test_the_time_a_text_takes_grows_no_faster_than_the_text(part: str) -> None:
    text = (part * 48_000)[:48_000]  # four times what is sent, so that a square would show
    start = time.process_time()

    analyse_text(text, BUILT_IN)

    assert time.process_time() - start < 1  # under 0.15 measured


@pytest.mark.parametrize("number", ["143", "182", "187", "86", "1337"])
def test_a_number_is_no_feeling(number: str) -> None:
    """VADER's lexicon knows some as slang; here they are orders, flights and amounts."""
    plain = analyse_text("order 142 arrived late and damaged, refund it", BUILT_IN)

    assert analyse_text(f"order {number} arrived late and damaged, refund it", BUILT_IN).score == plain.score
