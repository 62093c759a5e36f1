"""An operator's own patterns, from REDACTION_PATTERNS: one regular expression a line.

RE2 matches them, not `re`: it never goes back in the text, so the time is bounded whatever a pattern says. A time-out
(as `regex` has) would leave a text unredacted, or a post unanswered.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import re2

from domain.redaction.detections import Detection

COMMENT = "#"


class Patterns:
    """Compiled patterns."""

    def __init__(self, compiled: Sequence[Any] = ()) -> None:
        self._compiled = compiled

    def find(self, text: str) -> Iterator[Detection]:
        """Whatever one of the patterns matches in a text."""
        for pattern in self._compiled:
            for match in pattern.finditer(text):
                if match.start() < match.end():  # `\b` and the like match between two characters
                    yield Detection(match.start(), match.end(), "custom")


def load_patterns(path: Path | None) -> Patterns:
    """The patterns of a file, without empty lines and those that begin with `#`; none without a file.

    Raises ValueError, which names file and line, if the file cannot be read or a line is no pattern.
    """
    if path is None:
        return Patterns()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = "is not UTF-8" if isinstance(error, UnicodeError) else f"cannot be read: {error.strerror}"
        raise ValueError(f"REDACTION_PATTERNS: {path} {why}") from error
    numbered = ((number, line.strip()) for number, line in enumerate(lines, 1))
    return Patterns(
        [_compiled(path, n, line) for n, line in numbered if line and not line.startswith(COMMENT)]
    )


def _compiled(path: Path, number: int, line: str) -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would write the pattern to standard error by itself
    where = f"REDACTION_PATTERNS: {path}, line {number}"
    try:
        pattern = re2.compile(line, options)
    except re2.error as error:
        [reason] = error.args
        raise ValueError(f"{where}: {_in_words(reason)}") from error
    if pattern.fullmatch("") is not None:
        raise ValueError(f"{where}: matches an empty text, so it would match everywhere")
    return pattern


def _in_words(reason: bytes | str) -> str:
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    hint = (
        "; RE2 has no look-around and no back-references"
        if "perl operator" in text or "escape" in text
        else ""
    )
    return f"is not a regular expression of RE2: {text}{hint}"
