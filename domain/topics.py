"""Topics: the slugs and their meanings, built in or read from TOPICS_FILE."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

MAX_SLUG = 64

BUILT_IN: Mapping[str, str] = {
    "delivery_problems": "a parcel or order that does not arrive, arrives at the wrong place or in part",
    "delay": "something on its way or scheduled is late: a flight, a train, a delivery, a repair",
    "cancellation": "the company cancelled, or the customer wants to cancel",
    "lost_or_damaged_item": "luggage, parcels or belongings lost, broken or stolen",
    "product_quality": "a product or service that works but is poor: comfort, food, cleanliness, look",
    "product_defect": "a device or product that is faulty or stopped working",
    "service_outage": "network, website, app or power down for the customer",
    "billing": "charges, invoices, payments, fees",
    "refund": "money back, compensation, vouchers",
    "pricing": "what something costs, offers and discounts",
    "booking": "making, changing or finding a reservation or order; check-in and seats",
    "account_access": "log-in, passwords, verification, locked or hacked accounts",
    "technical_issue": "software, updates, settings, error messages",
    "customer_service": "how support answers, or that it does not answer",
    "staff_behaviour": "how employees met in person behave",
    "waiting_time": "queues, time on hold, waiting for an answer or for help",
    "information_request": "a question about how something works or when it happens",
    "feature_request": "a wish for something that does not exist yet",
    "praise": "thanks and compliments",
    "complaint_other": "a complaint that none of the others covers",
}


ID = re.compile(r"top_([1-9][0-9]{0,8})")


def topic_id(number: int) -> str:
    """The lasting id of a topic; its number is never used again."""
    return f"top_{number}"


def topic_of_id(id_: str) -> int | None:
    """The number in a topic's id; None if the text is none."""
    found = ID.fullmatch(id_)
    return None if found is None else int(found[1])


class ToldTopics(Mapping[str, str]):
    """The topics that analyzers are told, with their meanings, as they are now: people may change them at any time."""

    def __init__(self, topics: Mapping[str, str]) -> None:
        self._topics = dict(topics)

    def replace(self, topics: Mapping[str, str]) -> None:
        """Tell these from now on."""
        self._topics = dict(topics)

    def __getitem__(self, slug: str) -> str:
        return self._topics[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._topics)

    def __len__(self) -> int:
        return len(self._topics)


def label_of(slug: str) -> str:
    """The label of a topic that has none of its own: `late_delivery` is Late delivery."""
    return slug.replace("_", " ").capitalize()


CATCH_ALL = frozenset({"complaint_other", "other", "other_language"})
"""What says of no conversation what it is about."""


def slug(text: str) -> str:
    """The slug of a name: lower case, words joined by underscores, at most 64 characters; may be empty."""
    return re.sub(r"[\W_]+", "_", text.lower()).strip("_")[:MAX_SLUG].strip("_")


def unknown_topic(near: Sequence[str]) -> str:
    """What to say of a name that no topic has, with the names like it."""
    alike = "; similar ones: " + ", ".join(near)
    return "no topic of this name is known" + (alike if near else "")


def load(path: Path | None) -> Mapping[str, str]:
    """The built-in topics, or those of a file with one slug and its meaning per line.

    Raises ValueError if the file cannot be read, contains no topic, or has a line that does not begin with a slug.
    """
    if path is None:
        return BUILT_IN
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = "is not UTF-8" if isinstance(error, UnicodeError) else f"cannot be read: {error.strerror}"
        raise ValueError(f"TOPICS_FILE: {why}") from error
    topics = dict(_topic(number, line) for number, line in enumerate(lines, 1) if _is_topic(line))
    if not topics:
        raise ValueError("TOPICS_FILE must contain at least one topic")
    return topics


def _is_topic(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _topic(number: int, line: str) -> tuple[str, str]:
    name, _, meaning = line.strip().partition(" ")
    if slug(name) != name:
        raise ValueError(f"TOPICS_FILE line {number}: the first word must be a slug such as late_delivery")
    return name, meaning.strip()
