"""The offline summary by way of the analyzer's process."""

import json
from collections.abc import Sequence

from domain.summaries import Message, Stretch, Summary
from domain.topics import BUILT_IN
from llm.offline.analyzer import OfflineAnalyzer
from llm.offline.summaries import summarise
from llm.summary_answers import validate_summary
from tests.support.summary_data import LATE


def stretch(turns: Sequence[tuple[str, str]], first: int = 1) -> Stretch:
    return Stretch([Message(at, role, text) for at, (role, text) in enumerate(turns, first)])


async def at_once() -> None:
    """A pacer without a pace."""


async def test_it_is_made_in_the_child_and_says_who_made_it() -> None:
    material = stretch(LATE)
    async with OfflineAnalyzer(BUILT_IN) as analyzer:
        came = await analyzer.summarise(material, at_once)
        reply = await analyzer.analyse(["My parcel is late"], at_once)

    assert came.summary == validate_summary(json.loads(json.dumps(summarise(material.document))), range(1, 6))
    assert (came.model, analyzer.summary_version) == ("luhn-2", "luhn-2")
    assert len(reply.rows) == 1
    assert json.loads(came.raw)["outcome"] == "yes"


async def test_a_part_as_large_as_they_come_passes_through_the_pipe() -> None:
    material = stretch([("customer", f"My parcel number {at} is late. " * 4) for at in range(1_200)])
    async with OfflineAnalyzer(BUILT_IN) as analyzer:
        came = await analyzer.summarise(material, at_once)

    assert isinstance(came.summary, Summary)
