"""The child process that groups conversations, `python -m llm.discovery.child`; `grouper` talks to it.

It reads lines of JSON and writes lines of JSON, keeps no file, and ends at the end of its input. `grouper` starts it
with one thread for numpy's algebra: two would take both processors from intake.
"""

import base64
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from domain.packed_numbers import packed, unpacked
from llm.discovery.found import Group, Utterance
from llm.discovery.grouping import Grouping
from llm.discovery.identity import Former
from llm.discovery.texts import cleaned, says_something
from llm.discovery.vectors import Encoder, Matrix

NICENESS = 19
ENCODER = json.JSONEncoder(separators=(",", ":"))


def answer_lines(requests: BinaryIO, answers: BinaryIO) -> None:
    """Read what a run begins with, the drawn texts, `"fit"`, the other texts, and `"tell"`. The words get answers."""
    grouping = _begun(json.loads(requests.readline()))
    drawn: list[Utterance] | None = []
    for line in requests:
        request = json.loads(line)
        if request == "fit":
            grouping.fit(drawn or ())
            drawn = None
            _write(answers, {"fitted": True})
        elif request == "tell":
            for answer in _told(grouping):
                _write(answers, answer)
        elif drawn is None:
            grouping.place(_said(request))
        else:
            drawn += _said(request)


def _begun(run: Mapping[str, Any]) -> Grouping:
    former = [_former(*each) for each in run["former"]]
    return Grouping(Encoder(), former, seed=run["seed"], min_people=run["min_people"])


def _former(identity: str, language: str, members: str, centroid: str) -> Former:
    numbers = np.array(unpacked(base64.b64decode(members)), dtype=np.int64)
    return Former(identity, language, numbers, np.frombuffer(base64.b64decode(centroid), dtype=np.float32))


def _said(rows: Sequence[Sequence[Any]]) -> Iterator[Utterance]:
    for number, person, recent, language, text, topics in rows:
        shown = cleaned(text)
        if says_something(shown):
            yield Utterance(number, person, recent, language, shown, topics)


def _told(grouping: Grouping) -> Iterator[dict[str, object]]:
    groups, lost = grouping.groups()
    for group in groups:
        yield _as_json(group)
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield {
        "lost": lost,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "rss_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def _as_json(group: Group) -> dict[str, object]:
    return {
        "language": group.language,
        "size": len(group.members),
        "members": base64.b64encode(packed(group.members.tolist())).decode(),
        "centroid": _floats(group.centroid),
        "people": group.people,
        "now": group.now,
        "before": group.before,
        "p": group.p,
        "grew": group.grew,
        "words": group.words,
        "examples": group.examples,
        "former": group.former,
        "came_from": group.came_from,
        "topic": group.topic.number,
        "explained": group.topic.explains,
    }


def _floats(vector: Matrix) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _write(answers: BinaryIO, answer: Mapping[str, object]) -> None:
    answers.write(ENCODER.encode(answer).encode() + b"\n")
    answers.flush()


def main() -> None:
    """Serve the parent process. Ctrl-C reaches the whole process group, but only the parent handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    try:
        answer_lines(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(1)  # the parent has gone, and the flush at a normal exit would print an error


if __name__ == "__main__":
    main()
