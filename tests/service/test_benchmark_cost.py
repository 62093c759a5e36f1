"""What the cost benchmark counts: the tokens that the fake Grok bills, and each way of saving on its own."""

from pathlib import Path

import httpx
import pytest

from benchmarks.cost import CACHED_BLOCK, SYSTEM, asked, bill, conversations, posts, saved, usage_of
from ingest_data import SAMPLE
from llm.prompts import request_body
from tests.fake_grok.server import KEY, tokens
from tests.support.service import faked

MODEL = "grok-4.3"
HEADER = "tweet_id,author_id,inbound,created_at,text,response_tweet_id,in_response_to_tweet_id\n"
NEVER_CAME = "My order never came and nobody at all answers the phone"


def table(folder: Path, *texts: str) -> Path:
    path = folder / "tweets.csv"
    path.write_text(HEADER + "".join(f"{number},7,True,,{text},,\n" for number, text in enumerate(texts, 1)))
    return path


def test_a_call_has_the_tokens_that_the_fake_grok_bills() -> None:
    texts = [work.excerpt.text for work in asked(list(conversations(SAMPLE)))[:7]]
    body = request_body(texts, system=SYSTEM, model=MODEL, effort="none", strict=True)
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    with faked() as grok, httpx.Client(trust_env=False) as http:
        usages = [
            http.post(f"{grok.url}/chat/completions", content=body, headers=headers).json()["usage"]
            for _ in range(2)
        ]

    for usage, cached in zip(usages, (False, True), strict=True):
        counted = usage_of(texts, MODEL, cached=cached)
        assert counted.prompt_tokens == usage["prompt_tokens"]
        assert counted.cached_tokens == usage["prompt_tokens_details"]["cached_tokens"]
        assert counted.completion_tokens == usage["completion_tokens"]


def test_tweets_that_answer_each_other_are_one_conversation(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text(
        f"{HEADER}1,7,True,,{NEVER_CAME},2,\n2,8,False,,Which order is it,,1\n3,9,True,,Hello,,\n"
    )

    first, second = asked(list(conversations(path)))

    assert first.excerpt.text == f"customer: {NEVER_CAME}\nagent: Which order is it"
    assert second.excerpt.text == "customer: Hello"


def test_a_bill_counts_every_call_and_only_the_first_pays_for_the_whole_prompt(tmp_path: Path) -> None:
    works = asked(list(conversations(table(tmp_path, *(f"{NEVER_CAME} {number}" for number in range(5))))))

    packed, cached = bill(works, 2, MODEL), bill(works, 2, MODEL, prompt_caching=True)

    assert (packed.calls, packed.conversations, packed.cached) == (3, 5, 0)
    assert cached.cached == 2 * (tokens(SYSTEM) // CACHED_BLOCK * CACHED_BLOCK) > 0
    assert cached.prompt == packed.prompt
    assert cached.ticks < packed.ticks


def test_each_way_of_saving_is_counted_by_itself(tmp_path: Path) -> None:
    jobs = list(
        conversations(table(tmp_path, NEVER_CAME, NEVER_CAME, "thanks", "My parcel arrived in pieces"))
    )

    prefilter, cache, packing, caching, left, _ = saved("posts", jobs, MODEL)

    assert prefilter.note.endswith("1 not asked")
    assert cache.note.endswith("1 equal to another")
    assert [prefilter.value, cache.value] == pytest.approx([25, 25], abs=1)
    assert packing.value > 20
    whole = float(left.note.partition(" ")[0])
    shares = [each.value for each in (prefilter, cache, packing, caching)]
    assert 100 - sum(shares) == pytest.approx(left.value / whole * 100, abs=0.1)


def test_what_customers_said_is_counted_post_by_post(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text(
        f"{HEADER}1,7,True,,{NEVER_CAME},2,\n2,8,False,,Which order is it,,1\n3,9,True,,Hello,,\n"
    )

    assert [work.excerpt.text for work in asked(list(posts(list(conversations(path)))))] == [
        NEVER_CAME,
        "Hello",
    ]
