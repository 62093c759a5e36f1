"""Lists as files: CSV, NDJSON or Parquet, whichever the file's name ends in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import httpx

from . import wire
from .calls.building import nothing
from .calls.insights import Time
from .errors import Unexpected
from .wire import Call

FORMS: Mapping[str, str] = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
}


@dataclass(frozen=True, slots=True)
class Download:
    """A call whose answer becomes a file."""

    call: Call[None]
    path: Path

    def check(self, response: httpx.Response) -> None:
        """Raises Refused, of a response that has been read, and Unexpected for one in another form."""
        if not response.is_success:
            wire.answer(self.call, response)
        if not response.headers.get("content-type", "").startswith(self.call.headers["accept"]):
            raise Unexpected(str(response.url), response.status_code)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file under a name of its own, until it is whole: what broke off is not taken for a file."""
        part = self.path.with_name(f"{self.path.name}.part")
        try:
            with part.open("wb") as file:
                yield file
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)


def insights_file(
    path: str | PathLike[str],
    *,
    start_time: Time,
    end_time: Time,
    sentiment: str | None = None,
    min_confidence: float | None = None,
    cluster: str | None = None,
    author: str | None = None,
    bom: bool = False,
) -> Download:
    """The insights of the window `[start_time, end_time)` as a file: `.csv`, `.ndjson` or `.parquet`.

    `bom` begins a CSV with a byte order mark, as Excel wants it. What the file held before is replaced once it is
    whole. Raises ValueError for another ending, and OSError where the file cannot be written.
    """
    window = {"start_time": start_time, "end_time": end_time, "bom": bom or None}
    filters = {"sentiment": sentiment, "min_confidence": min_confidence, "cluster": cluster, "author": author}
    headers = {"accept": form_of(Path(path))}
    call = Call("GET", "/api/v1/insights", nothing, {**window, **filters}, headers=headers)
    return Download(call, Path(path))


def form_of(path: Path) -> str:
    """The media type of a file by its name's ending. Raises ValueError."""
    if form := FORMS.get(path.suffix.lower()):
        return form
    raise ValueError(f"{path.name}: must end in {', '.join(FORMS)}")
