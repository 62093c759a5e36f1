"""The offline analyzer's child process, `python -m llm.offline.child`: analyses texts and answers in lines of JSON.

`process` sends the requests, one line of JSON each. The child imports nothing of the server and needs 18 MB, 25 with
the model of languages; with asyncio and pydantic it was 28.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO

from domain.analysis import CONFIDENCE_UNIT, SCORE_UNIT, Analysis
from domain.analysis import sentiment_of as band
from llm.offline import deciding, languages, summaries
from llm.offline.counts import count_in
from llm.offline.fields import answer_by_words
from llm.offline.languages import Language
from llm.offline.linear import judge, written
from llm.offline.sentiment import Sentiment, sentiment
from llm.offline.text import clean, customer_words, ngrams
from llm.offline.topics import OTHER_LANGUAGE, find_topics

NICENESS = 10  # intake keeps the CPU
QUOTED = 3
Rules = Sequence[Mapping[str, Any]]
ENCODER = json.JSONEncoder(separators=(",", ":"))


def analyse_text(text: str, topics: Mapping[str, str]) -> Analysis:
    """Analyse the customer's words in a text or transcript. Deterministic.

    `topics` are slugs and their meanings (topics.BUILT_IN, or the operator's own). Beside them the result may have
    OTHER, and OTHER_LANGUAGE for what is neither English nor may be: it is unsure then.
    """
    cleaned = clean(customer_words(text))
    language = languages.language_of(cleaned)
    return _unsure(language) if language.foreign else _scored(text, cleaned, topics, language)


def _unsure(language: Language) -> Analysis:
    """What says nothing but the language: the rules would find what the words happen to mean in English."""
    named = f" ({language.code})" if language.code else ""
    return _analysis(
        None, (OTHER_LANGUAGE,), 0, f"A language{named} that the offline analyzer does not know.", language
    )


def _scored(text: str, cleaned: str, topics: Mapping[str, str], language: Language) -> Analysis:
    phrases = ngrams(cleaned)
    found = sentiment(cleaned, phrases)
    counted = count_in(text, cleaned, phrases, found)
    score, sure = judge(counted)
    clusters = find_topics(cleaned, phrases, band(score), topics)
    reasoning = _reasoning(found, counted, score, clusters)
    return _analysis(score, clusters, round(sure * CONFIDENCE_UNIT), reasoning, language)


def _analysis(
    score: int | None, clusters: tuple[str, ...], confidence: int, reasoning: str, language: Language
) -> Analysis:
    """`score` is None if it is unsure."""
    row = {
        "sentiment_score": None if score is None else score / SCORE_UNIT,
        "clusters": clusters,
        "confidence": confidence / CONFIDENCE_UNIT,
        "reasoning": reasoning,
        "language": language.code,
    }
    raw = ENCODER.encode(row)
    return Analysis(score or 0, confidence, clusters, reasoning, raw, language.code, is_unsure=score is None)


def _reasoning(found: Sentiment, counted: Sequence[float], score: int, clusters: Sequence[str]) -> str:
    """Name the rules that matched, never the text's own sentences; and what else was counted where no word says so."""
    kinds = (("Complaint", found.complaint), ("Praise", found.praise))
    matches = "; ".join(f"{kind}: {_strongest(words)}" for kind, words in kinds if words)
    says_so = (found.complaint, True, found.praise)[band(score) + 1]
    told = "" if says_so else f"; counted: {', '.join(written(counted, score)) or 'nothing else'}"
    return f"{matches or 'No word of praise or complaint'}{told}. Keywords of: {', '.join(clusters)}."


def _strongest(words: Mapping[str, float]) -> str:
    return ", ".join(sorted(words, key=lambda word: (-abs(words[word]), word))[:QUOTED])


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Read a line of topics, then answer every line of requests with one line, until the end of the input."""
    topics: dict[str, str] = json.loads(requests.readline())
    if topics:
        analyse_text("", topics)  # loads the lexicon; without topics nobody will need it
    for line in requests:
        request = json.loads(line)
        rows = ",".join(_rows(request, topics))
        answers.write(f'{{"id":{request["id"]},"rows":[{rows}]}}\n'.encode())
        answers.flush()


def _rows(request: Mapping[str, Any], topics: Mapping[str, str]) -> Iterator[str]:
    rules = request.get("rules", ())
    if "summarise" in request:
        yield _guarded(lambda: ENCODER.encode(_summary(request["summarise"], rules)))
    if "question" in request:
        yield from map(ENCODER.encode, deciding.decide(request["question"], request["about"]))
    for text in request.get("texts", ()):
        yield _guarded(partial(_row, text, topics, rules))
    for text in request.get("languages", ()):
        yield _guarded(partial(_language, text))


def _language(text: str) -> str:
    return ENCODER.encode(languages.language_of(clean(customer_words(text))).code)


def _row(text: str, topics: Mapping[str, str], rules: Rules) -> str:
    raw = analyse_text(text, topics).raw
    # Last in the row, as JSON, so that nothing of it is written twice.
    return f'{raw[:-1]},"fields":{ENCODER.encode(answer_by_words(text, rules))}}}' if rules else raw


def _summary(document: Mapping[str, Any], rules: Rules) -> Mapping[str, Any]:
    turns = (
        f"{'agent' if each['role'] == 'support_agent' else 'customer'}: {each['text']}"
        for each in document.get("messages", ())
    )
    return {**summaries.summarise(document), "fields": answer_by_words("\n".join(turns), rules)}


def _guarded(work: Callable[[], str]) -> str:
    try:
        return work()
    except Exception as error:  # noqa: BLE001  one text that breaks a rule must not fail its whole batch
        return json.dumps({"error": type(error).__name__})


def main() -> None:
    """Serve the parent process. Ctrl-C reaches the whole process group, but only the parent handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(1)  # the parent has gone, and the flush at a normal exit would print an error


if __name__ == "__main__":
    main()
