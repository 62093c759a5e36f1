"""What the importer says of a file: which column becomes what, who was named and is silent, what was skipped."""

from pathlib import Path

import pytest

from client.answers import Status
from client.importers.agents import Agents
from client.importing.analysis import AnalysisCounts
from ingest_data import SAMPLE
from tests.support.importing import DryRun

MAIL = "From: {}@{}.example\nDate: Tue, 3 Nov 2026 10:00:00 +0000\nMessage-ID: <{}>\n\nMy lamp flickers.\n"
MBOX = "".join(
    f"From x@y Tue Nov  3 10:00:00 2026\n{MAIL.format(*each)}\n"
    for each in (("mara", "home", "1@a"), ("help", "lamps", "2@a"))
)


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (
            SAMPLE,
            [],
            "text: text; time: created_at; id: tweet_id; replies: in_response_to_tweet_id, response_tweet_id; "
            "author: author_id; role: inbound",
        ),
        (
            "Ticket ID,Body,Opened at,Shop,user\na1,hello there,2026-11-01,Bonn,u1\n",
            ["--id-column", "Ticket ID", "--time-column", "Opened at"],
            "text: body; time: opened at; id: ticket id; author: user; metadata: shop",
        ),
        (
            "text,date,created_at\nhello,2026-11-01,2026-11-02\n",
            [],
            "text: text; time: created_at or date; id: none, so a hash of the content; author: none",
        ),
        (
            [{"conversation_id": "a", "role": "user", "text": "hi", "colour": "red"}],
            [],
            "text: text; time: none, so the time of intake; conversation: conversation_id; "
            "id: none, so the place in the conversation; author: none; role: role; left out: colour",
        ),
        (
            [{"conversation_id": "a", "messages": [{"role": "user", "text": "hi"}]}],
            [],
            "text, time, author and role are those of each message in messages",
        ),
        (
            ",".join(["text", *(f"c{at}" for at in range(22))]) + "\nhello" + ",x" * 22 + "\n",
            [],
            f"author: none; metadata: {', '.join(f'c{at}' for at in range(20))} and 2 more",
        ),
    ],
)
def test_a_line_says_what_goes_where(
    dry_run: DryRun, content: Path | str, options: list[str], said: str
) -> None:
    run = dry_run(content, *options)
    (line,) = (each for each in run.out.splitlines() if each.startswith("What goes where: "))

    assert run.code == 0
    assert line.endswith(said)


def test_an_agent_who_says_nothing_is_named(dry_run: DryRun) -> None:
    run = dry_run(MBOX, "--agent", "@lamps.example", "--agent", "@nobody.example")

    assert run.code == 0
    assert run.out.count("warning: --agent") == 1
    assert "warning: --agent @nobody.example: nobody in the file is that" in run.out


def test_whoever_speaks_is_not_silent_however_the_name_is_written() -> None:
    agents = Agents(["ADA  Lovelace", "@lamps.example", "Bob"])
    agents.role_of("Ada Lovelace")
    agents.role_of("Help@Lamps.example")

    assert agents.silent == ["Bob"]


def test_what_was_skipped_is_counted_by_its_reason() -> None:
    counts = AnalysisCounts()
    for why in ("too_short", "thanks", "too_short"):
        counts.add(Status(conversation_id="a", status="skipped", skip_reason=why))
    counts.add(Status(conversation_id="b", status="failed", error="no answer"))

    assert counts.statuses == {"skipped (too_short)": 2, "skipped (thanks)": 1, "failed": 1}
    assert counts.ended == 4
