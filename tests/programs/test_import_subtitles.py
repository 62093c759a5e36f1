"""Calls as WebVTT and SRT, with every trap in them; names and words are made up."""

from pathlib import Path

import pytest

from client.importers.agents import Agents
from client.importers.fields import Reader
from tests.support.importing import DryRun, chats, spoken

CALL = """\
WEBVTT - a call

STYLE
::cue { color: white }

NOTE no refund for this one

intro-1
00:00:01.000 --> 00:00:02.500 align:start
<v Mara Customer>My lamp &amp; plug <i>flicker</i>

00:03.000 --> 00:04.000
since <c.loud>Friday</c> <00:00:03.500>night</v>

b7f2
00:00:05.000 --> 00:00:06.000
<v.agent Ada>A photo?</v> <v Mara Customer>Yes,
one moment

00:00:07.000 --> 00:00:08.000
Ada: The time: is &lt;now&gt;

00:00:09.000 --> 00:00:10.000
<v Ada></v>
"""
TALK = [
    ("1", "Mara Customer", "c", "My lamp & plug flicker"),
    ("2", "Mara Customer", "c", "since Friday night"),
    ("3", "Ada", "s", "A photo?"),
    ("3.2", "Mara Customer", "c", "Yes, one moment"),
    ("4", "Ada", "s", "The time: is <now>"),
]
SRT = """\
1
00:00:01,000 --> 00:00:02,500
Mara Customer: My lamp flickers

since Friday

2
00:00:03.000 --> 00:00:04.000
- Ada: A photo?
"""


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path, capsys)


def reader() -> Reader:
    return Reader(agents=Agents(["Ada"]))


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_cues_of_a_call_are_its_messages(tmp_path: Path, start: str, line_end: str) -> None:
    read = reader()
    found = chats(start + CALL.replace("\n", line_end), tmp_path, read, name="call-7")

    assert list(found) == ["call-7"]
    assert spoken(found["call-7"]) == TALK
    assert "timestamp" not in found["call-7"][0]
    assert read.left_out == {"empty cue": 1}


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_cue_of_srt_goes_on_below_a_blank_line(tmp_path: Path, start: str) -> None:
    (found,) = chats(start + SRT, tmp_path, reader()).values()

    assert spoken(found) == [
        ("1", "Mara Customer", "c", "My lamp flickers since Friday"),
        ("2", "Ada", "s", "A photo?"),
    ]


def test_times_count_from_the_begin_that_is_given(dry_run: DryRun, tmp_path: Path) -> None:
    undated = dry_run(CALL, "--agent", "Ada")
    dated = dry_run(CALL, "--agent", "Ada", "--begin", "2026-11-03 12:00", "--time-zone", "Europe/Berlin")

    assert (undated.code, dated.code) == (0, 0)
    assert "dated at intake: 1" in undated.out
    assert "dated at intake" not in dated.out
    assert "This is read as WebVTT subtitles." in dated.out
    assert "left out: 1 empty cue\n" in dated.out


def test_a_begin_that_is_no_time_is_refused(dry_run: DryRun, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        dry_run(CALL, "--begin", "noon")
    assert "--begin noon: the time has a form that is not read: aaaa" in capsys.readouterr().err


def test_a_cue_of_which_nobody_knows_who_speaks_rejects_the_call(dry_run: DryRun) -> None:
    run = dry_run(
        "WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n\n00:03.000 --> 00:04.000\nAda: hi\n", "--agent", "Ada"
    )

    assert run.code == 1
    assert "line 1: nothing says who speaks" in run.out
    assert "none of the conversation's 2 turns is sent" in run.out


@pytest.mark.parametrize(
    "block",
    ["00:03.000 -> 00:04.000\n<v Mara>lost", "00:00:03.000 --> 00:00:0x.000\n<v Mara>lost", "and more words"],
)
def test_a_cue_that_is_malformed_rejects_the_call_and_is_not_lost(tmp_path: Path, block: str) -> None:
    cues = ["00:01.000 --> 00:02.000\n<v Ada>hi", block, "NOTE x", "00:05.000 --> 00:06.000\n<v Ada>bye"]
    found = chats("WEBVTT\n\n" + "\n\n".join(cues) + "\n", tmp_path, reader())

    assert list(found) == ["line 6"]
    assert "a block without the times of a cue" in found["line 6"][0]["reason"]


@pytest.mark.parametrize(
    ("content", "form"),
    [("WEBVTT\n\n00:01.000 -> 00:02.000\nhello\n", "webvtt"), ("hello\n", "srt"), ("hello\n", "webvtt")],
)
def test_what_is_broken_sends_nothing(dry_run: DryRun, content: str, form: str) -> None:
    run = dry_run(content, "--agent", "Ada", "--format", form)

    assert run.code in (1, 2)
    assert run.err.count("\n") == 1
