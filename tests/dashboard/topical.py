"""A service whose topics tests change: two weeks of made-up subjects, and in the second one a pool besides."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

from sqlalchemy.engine import URL

from benchmarks.support.serving import Served
from client import Client
from client.answers import Job
from client.calls import NewConversation
from tests.support.service import serving
from tests.support.subjects import SUBJECTS, wordings

WEEK = {"from": "2026-11-08", "to": "2026-11-14"}
BEFORE, NOW = "2026-11-03T12:00:00Z", "2026-11-10T12:00:00Z"
EACH, POOL = 12, 20


@contextmanager
def talking(database: URL, **given: Any) -> Iterator[Served]:
    """A service that has analysed them."""
    with serving(database, None, **given) as server, Client(server.url) as client:
        posted = client.post_bulk(
            [*_said(BEFORE, 1), *_said(NOW, 2), *_of(wordings("pool", POOL), "pool", NOW)]
        )
        for _ in client.wait_for_analysis([each for each in posted.conversation_ids if each]):
            pass
        yield server


def _said(when: str, seed: int) -> list[NewConversation]:
    texts = [text for subject in SUBJECTS for text in wordings(subject, EACH, seed=seed)]
    return _of(texts, f"seed{seed}-", when)


def _of(texts: Sequence[str], who: str, when: str) -> list[NewConversation]:
    return [{"text": text, "author": f"{who}{place}", "timestamp": when} for place, text in enumerate(texts)]


def ended(client: Client) -> Job:
    """The newest job, once it has ended."""
    deadline = monotonic() + 60
    while not (job := client.jobs_page(limit=1).jobs[0]).has_ended:
        assert monotonic() < deadline, job
        sleep(0.05)
    return job
