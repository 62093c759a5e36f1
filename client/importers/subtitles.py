"""Calls and meetings as subtitles, WebVTT and SRT: a cue is what somebody said, from one time of the recording on.

webvtt-py and srt find the cues. What a cue holds is read here from its raw text, since webvtt-py keeps entities and
joins two voices of a cue. It also drops a malformed cue without a word; here that rejects the recording. Who speaks
stands in a voice tag, which may be missing until the voice changes, or before a colon. The file does not say when the
recording began.
"""

import re
from abc import abstractmethod
from collections.abc import Iterator
from datetime import UTC, timedelta
from html import unescape

import srt
import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError

from client.importers.agents import plain_name
from client.importers.fields import Reader
from client.importers.files import Source, Unreadable
from client.importers.said import Entry, Messages, Said, Spoiled

LARGEST = 64 << 20
"""Characters; a day of speech has a few million."""
VOICE = re.compile(r"<v(?:\.[^ \t\n>]*)?[ \t\n]+([^>]+)>")
TAG = re.compile(r"</?[a-z][^<>]*>|</?[0-9:.]+>|</>", re.IGNORECASE)
SPEAKER = re.compile(r"[-\u2013]? ?([^\W\d_][^:<>\n]{0,60}):\s+(?=\S)")
TIMES = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)[.,](\d{3})")
BLOCK = re.compile(r"[^\n]+(?:\n[^\n]+)*")
NO_SPEECH = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)|\s*$")
CUE_TIMES = re.compile(rf"^{TIMES.pattern} +--> +{TIMES.pattern}", re.MULTILINE)
WEBVTT_HEAD = re.compile(r"\ufeff?WEBVTT(?:[ \t\n\r]|$)")
SRT_HEAD = re.compile(r"\ufeff?\s*\d+\s*\r?\n\d{1,2}:\d\d:\d\d[,.]\d{1,3} *--> *\d")
NOBODY = "nothing says who speaks: there is no voice, and no name before a colon"


class Subtitles(Messages):
    """The cues of a recording, which is called as its file is."""

    def __init__(self, name: str, source: Source, reader: Reader) -> None:
        super().__init__(name, source)
        self._reader = reader
        self._speaker: str | None = None

    def _entries(self) -> Iterator[Entry]:
        self._source.text.seek(0)
        written = self._source.text.read(LARGEST + 1)
        if len(written) > LARGEST:
            raise Unreadable(f"{self.name} has more than {LARGEST:,} characters, which no recording has")
        written = written.lstrip("\ufeff").replace("\r\n", "\n")
        for line in self._lost(written):
            yield Spoiled(line, self.name, "a block without the times of a cue, whose words would be lost")
        for number, (start, raw) in enumerate(self._cues(written), 1):
            yield from self._of_cue(number, start, raw)

    def _lost(self, written: str) -> Iterator[int]:
        """The lines at which something begins that is no cue and would not be read."""
        return iter(())

    @abstractmethod
    def _cues(self, written: str) -> Iterator[tuple[timedelta, str]]:
        """When each cue begins, and what is written in it. Raises Unreadable."""

    def _of_cue(self, number: int, start: timedelta, raw: str) -> Iterator[Entry]:
        pieces = list(self._pieces(raw))
        if not pieces:
            self._reader.left_out["empty cue"] += 1
        for place, (speaker, text) in enumerate(pieces, 1):
            if speaker is None:
                yield Spoiled(number, self.name, NOBODY)
                continue
            id_ = str(number) if place == 1 else f"{number}.{place}"
            begin = self._reader.begin
            said_at = None if begin is None else (begin + start).astimezone(UTC).isoformat()
            role = self._reader.agents.role_of(speaker)
            yield Said(number, self.name, id_, speaker, role, text, said_at)

    def _pieces(self, raw: str) -> Iterator[tuple[str | None, str]]:
        """Who says what in a cue: a voice goes on until the next one, also into the cues below."""
        before, *voices = VOICE.split(raw)
        for name, written in zip((None, *voices[::2]), (before, *voices[1::2]), strict=True):
            text = " ".join(unescape(TAG.sub("", written)).split())
            if name is not None:
                self._speaker = plain_name(unescape(name))
            elif match := SPEAKER.match(text):
                self._speaker, text = plain_name(match[1]), text[match.end() :]
            if text:
                yield self._speaker, text


class WebVtt(Subtitles):
    """WebVTT."""

    title = "WebVTT subtitles"

    def _cues(self, written: str) -> Iterator[tuple[timedelta, str]]:
        try:
            captions = webvtt.from_string(written).captions
        except (MalformedFileError, MalformedCaptionError) as error:
            raise Unreadable(f"{self.name}: not WebVTT: {error}") from error
        for caption in captions:
            yield _time(caption.start), caption.raw_text

    def _lost(self, written: str) -> Iterator[int]:
        """webvtt-py passes over a cue whose times are malformed, and over what stands below a blank line of one."""
        for block in BLOCK.finditer(written, written.find("\n\n") + 1 or len(written)):
            if not NO_SPEECH.match(block[0]) and not CUE_TIMES.search(block[0]):
                yield written.count("\n", 0, block.start()) + 1


class Srt(Subtitles):
    """SRT."""

    title = "SRT subtitles"

    def _cues(self, written: str) -> Iterator[tuple[timedelta, str]]:
        try:
            for subtitle in srt.parse(written):
                yield subtitle.start, subtitle.content
        except srt.SRTParseError as error:
            raise Unreadable(
                f"{self.name}: not SRT: nothing is read after cue {error.expected_start}"
            ) from error


def _time(written: str) -> timedelta:
    match = TIMES.fullmatch(written)
    if match is None:
        raise Unreadable("a cue has a time that is not read")
    hours, minutes, seconds, milliseconds = (int(each or 0) for each in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
