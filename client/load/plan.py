"""What is sent: varied support questions, the same for the same plan, packed into requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

from client import calls
from client.answers import Accepted, BulkAccepted
from client.calls import NewConversation
from client.wire import Call

OPENINGS = ("Hello,", "Hi there,", "Good morning,", "Dear team,", "Second time I write:", "Quick one:")
STORIES = (
    "my {thing} was due {count} days ago and the tracking page has not moved since",
    "I was charged twice for the {thing} and the refund has not arrived after {count} days",
    "the {thing} broke after {count} days and now only shows an error message",
    "I cannot log in since the update, and the {thing} I paid for is locked behind it",
    "I was on hold for {count} minutes about my {thing}, then somebody hung up on me",
    "could you tell me whether the {thing} also comes in blue, and whether {count} can be sent at once",
    "the {thing} came {count} days early, works perfectly, and your driver was very kind",
    "our booking for {count} nights has the wrong date, and the app fails when I change it",
    "it would be nice if the app remembered which {thing} I bought {count} weeks ago",
    "the parcel with the {thing} was torn open and {count} parts are missing",
)
THINGS = ("kettle", "bicycle lamp", "phone", "suitcase", "router", "desk", "headset", "train pass", "monitor")
CLOSINGS = (
    "Please look into it.",
    "What should I do now?",
    "I am really disappointed.",
    "I am happy with how this went.",
    "This is the worst service I have had.",
    "An answer this week would do.",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run sends. Texts of two runs never agree, so that the one does not fill the other's cache."""

    run: str
    conversations: int
    batch_size: int
    duplicates: float
    """The share of conversations, 0 to 1, that repeat an earlier text."""
    seed: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The conversations of one request."""

    call: Call[Accepted | BulkAccepted]
    size: int


def text_of(number: int, plan: Plan) -> str:
    """What the customer of that number says; no other number says the same."""
    dice = Random(f"{plan.seed}/{number}")  # noqa: S311  variety, no secret
    story = dice.choice(STORIES).format(thing=dice.choice(THINGS), count=dice.randint(2, 30))
    return f"{dice.choice(OPENINGS)} {story}. {dice.choice(CLOSINGS)} My reference is {plan.run}-{number}."


def numbers(plan: Plan) -> Iterator[int]:
    """The number of each conversation's text: 0, 1, 2 and so on, and evenly between them those that repeat."""
    dice = Random(plan.seed)  # noqa: S311  variety, no secret
    fresh = 0
    for position in range(1, plan.conversations + 1):
        if fresh and position - fresh <= position * plan.duplicates:
            yield dice.randrange(fresh)
        else:
            yield fresh
            fresh += 1


def batches(plan: Plan) -> Iterator[Batch]:
    """The requests. Each conversation has an id of its own, so that sending it again stores it once."""
    items: Iterator[NewConversation] = (
        {"text": text_of(number, plan), "external_id": f"load-{plan.run}-{position}"}
        for position, number in enumerate(numbers(plan))
    )
    if plan.batch_size == 1:
        yield from (Batch(calls.post(item), 1) for item in items)
        return
    while chunk := list(islice(items, plan.batch_size)):
        yield Batch(calls.post_bulk(chunk), len(chunk))
