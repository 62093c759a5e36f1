"""How long lists of chats and searches take among a million messages, and what appending to a chat costs.

    python -m benchmarks.chats [--full] [--databases sqlite postgresql] [--messages 1000000] [--requests 200]

A service process without work over a copy of a seeded SQLite file, then over a PostgreSQL database whose server is set
as in `docker-compose.yml`; one kept-alive connection, first pages of ten, every question with other words or another
user. Appending is measured in turns at a chat of ten messages, each time another one, and at one of ten thousand.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from benchmarks import seeded
from benchmarks.chat_seed import AGENTS, LONG, PER_CHAT, USERS, VOCABULARY, agent, user, word
from benchmarks.plain_sql import Plain
from benchmarks.questions import Window, placed
from benchmarks.results import Figure, Result, finish
from benchmarks.support.databases import KINDS, SQLITE, fresh
from benchmarks.support.process import Process, address
from benchmarks.timing import Client, Json, Times, percentile
from domain.buckets import DAY, MICROSECONDS
from domain.search_words import phrases_in
from store.search import index

MOST_MS, MOST_TIMES_AS_MUCH = 30.0, 1.25
AS_COMPOSED = "shared_buffers = '512MB'"
"""As `docker-compose.yml` starts PostgreSQL."""
COUNTED = 5
"""Of the questions asked the messages that match are counted for so many."""
MESSAGE = "This message is the next of its chat and says where the parcel is"


class Question(NamedTuple):
    """One list of chats."""

    path: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class Case:
    """One kind of question."""

    name: str
    ask: Callable[["Dice"], Question]


@dataclass
class Dice:
    """Chance, and the time that the chats lie in."""

    first: int
    last: int
    chance: Random = field(default_factory=lambda: Random(7))  # noqa: S311  nothing is kept secret with it

    def common(self) -> str:
        """In 15 to 20 % of the messages."""
        return word(self.chance.randint(1, 3))

    def middling(self) -> str:
        """In about 1 %."""
        return word(self.chance.randint(100, 300))

    def rare(self) -> str:
        """In about one of 10,000."""
        return word(self.chance.randint(5_000, VOCABULARY))

    def customer(self) -> str:
        """Somebody with a few chats."""
        return user(self.chance.randrange(USERS))

    def supporter(self) -> str:
        """Somebody with thousands."""
        return agent(self.chance.randrange(AGENTS))

    def days(self, number: int) -> dict[str, str]:
        """A window of so many days, as parameters."""
        window: Window = placed(self.chance, self.first, self.last, number * MICROSECONDS[DAY])
        given = window.parameters()
        return {"start_date": given["start_time"], "end_date": given["end_time"]}


def _history(who: Callable[[Dice], str]) -> Callable[[Dice], Question]:
    return lambda dice: Question(f"/users/{who(dice)}/chats", {})


def _said(*words: Callable[[Dice], str], **others: Callable[[Dice], str]) -> Callable[[Dice], Question]:
    def ask(dice: Dice) -> Question:
        keyword = " ".join(each(dice) for each in words)
        return Question("/chats", {"keyword": keyword, **{name: of(dice) for name, of in others.items()}})

    return ask


def _phrase(dice: Dice) -> Question:
    return Question("/chats", {"keyword": f'"{dice.common()} {dice.common()}"'})


def _within(words: Callable[[Dice], str], days: int) -> Callable[[Dice], Question]:
    return lambda dice: Question("/chats", {"keyword": words(dice), **dice.days(days)})


CASES = (
    Case("history, user with a few chats", _history(Dice.customer)),
    Case("history, user with thousands", _history(Dice.supporter)),
    Case("rare word", _said(Dice.rare)),
    Case("middling word", _said(Dice.middling)),
    Case("common word", _said(Dice.common)),
    Case("common and middling word", _said(Dice.common, Dice.middling)),
    Case("two common words", _said(Dice.common, lambda dice: word(dice.chance.randint(4, 6)))),
    Case("phrase of two common words", _phrase),
    Case("common word by a user with a few chats", _said(Dice.common, user_id=Dice.customer)),
    Case("common word by a user with thousands", _said(Dice.common, user_id=Dice.supporter)),
    Case("middling word within a day", _within(Dice.middling, 1)),
    Case("common word within a day", _within(Dice.common, 1)),
    Case("common word within 30 days", _within(Dice.common, 30)),
)


@dataclass
class Run:
    """A service to ask and the database behind it."""

    client: Client
    plain: Plain
    requests: int
    messages: int
    dice: Dice

    def figures(self) -> Iterator[Figure]:
        """All of them."""
        for case in CASES:
            self._warm(case)
            yield self._asked(case)
        yield from self._appended()

    def _warm(self, case: Case) -> None:
        self.client.get(*case.ask(self.dice))
        self.client.taken()

    def _asked(self, case: Case) -> Figure:
        questions = [case.ask(self.dice) for _ in range(self.requests)]
        totals = [self.client.get(*each)["total"] for each in questions]
        times = self.client.taken()
        return Figure(
            name=f"{case.name}: p99",
            value=percentile(times.wall, 99),
            unit="ms",
            at_most=MOST_MS,
            rounds=self.requests,
            note=f"{_shown(times)}; {self._matching(questions)}{median(totals):,.0f} chats",
        )

    def _matching(self, questions: list[Question]) -> str:
        some = [each for each in questions if "keyword" in each.parameters][:COUNTED]
        if not some:
            return ""
        share = median(self.plain.run(_count(each)) for each in some) / self.messages
        within = ", without the window," if "start_date" in some[0].parameters else ""
        return f"{share:.2%} of the messages{within} match, "

    def _appended(self) -> Iterator[Figure]:
        short, long = self._chats_of(PER_CHAT), self._chats_of(LONG)
        times = {PER_CHAT: Times(), LONG: Times()}
        for at in range(min(self.requests, len(short))):
            for length, chat in ((PER_CHAT, short[at]), (LONG, long[0])):
                self.client.post("/chats", _message(chat))
                times[length].add(self.client.taken())
        for what in ("cpu", "wall"):
            at_ten, at_many = (getattr(each, what) for each in times.values())
            yield Figure(
                name=f"appending to {LONG:,} messages over appending to {PER_CHAT}: {what}, median",
                value=median(at_many) / median(at_ten),
                at_most=MOST_TIMES_AS_MUCH,
                rounds=len(at_many),
                note=f"{median(at_many):.2f} ms over {median(at_ten):.2f}",
            )

    def _chats_of(self, length: int) -> list[str]:
        chosen = "SELECT id FROM conversations WHERE message_count = :length ORDER BY number LIMIT :most"
        return [id_ for (id_,) in self.plain.ask(chosen, {"length": length, "most": self.requests})]


def _count(question: Question) -> Callable[[Connection], int]:
    asked = question.parameters

    def count(connection: Connection) -> int:
        found = index.matching_messages(connection, phrases_in(asked["keyword"]), asked.get("user_id"))
        return connection.scalar(select(func.count()).select_from(found)) or 0

    return count


def _shown(times: Times) -> str:
    walls, cpus = (
        f"{percentile(each, 50):.1f} / {percentile(each, 99):.1f}" for each in (times.wall, times.cpu)
    )
    return f"{walls} (CPU {cpus})"


def _message(chat: str) -> Json:
    return {"conversation_id": chat, "user_id": "user_0", "user_type": "customer", "message_content": MESSAGE}


# --- the program --------------------------------------------------------------------------------------------


def measure(url: str, requests: int) -> list[Figure]:
    """All figures of a seeded database, which is written to."""
    # Nothing is left to analyse, and what is appended waits until the end of it all.
    given: dict[str, Any] = {"CHAT_QUIET_SECONDS": 600, "INBOUND_RPS": 0, "LOG_LEVEL": "WARNING"}
    with (
        TemporaryDirectory(prefix="chats-") as folder,
        Process(Path(folder), DATABASE_URL=url, **given) as service,
        Plain(url) as plain,
    ):
        ((messages, first, last),) = plain.ask(
            "SELECT sum(message_count), min(timestamp), max(timestamp) FROM conversations", {}
        )
        client = Client(service.url, service.process.pid)
        return [*Run(client, plain, requests, messages, Dice(first, last)).figures()]


@contextmanager
def _seeded(kind: str, messages: int) -> Iterator[str]:
    """A database of that kind with so many messages, to write to."""
    if kind == SQLITE:
        with seeded.copied(seeded.chats_url(messages)) as url:
            yield url
        return
    with TemporaryDirectory(prefix="chats-") as folder, fresh(kind, Path(folder), AS_COMPOSED) as made:
        seeded.seed_chats(url := address(made), messages)
        yield url


def _of(kind: str, messages: int, requests: int, url: str | None) -> Iterator[Figure]:
    sys.stderr.write(f"{kind}\n")
    if url is not None:
        found = measure(url, requests)
    else:
        with _seeded(kind, messages) as made:
            found = measure(made, requests)
    for figure in found:
        yield figure.model_copy(update={"name": f"{kind}, {figure.name}"})


def main() -> int:
    """Measure, and report; 0 where all figures hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chats", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--full", action="store_true", help="a thousand requests of each kind")
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, help="of each kind (default: 200)")
    parser.add_argument("--database-url", help="one seeded database, instead; it is written to")
    given = parser.parse_args()
    requests = given.requests or (1_000 if given.full else 200)
    kinds = given.databases if given.database_url is None else ["given"]
    figures = [figure for kind in kinds for figure in _of(kind, given.messages, requests, given.database_url)]
    setting = f"{given.messages:,} messages in chats of {PER_CHAT} on average, pages of 10, one connection"
    return finish(Result(program="chats", setting=f"{setting}; p50 / p99 in ms", figures=tuple(figures)))


if __name__ == "__main__":
    raise SystemExit(main())
