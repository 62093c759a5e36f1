"""Lists as files: CSV, NDJSON or Parquet, whichever the file's name ends in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Literal

import httpx

from . import wire
from .calls.building import nothing
from .calls.insights import Asked, Sort, Time, compare_topics, insights_page
from .calls.people import facets, people_page, summaries_page
from .calls.topics import all_topics_page
from .errors import Unexpected
from .wire import Call

FORMS: Mapping[str, str] = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
}
Name = str | PathLike[str]
OF_PAGES = frozenset({"limit", "cursor", "page"})
"""Parameters that a whole list does not take."""


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
    path: Name,
    *,
    start_time: Time,
    end_time: Time,
    sentiment: str | None = None,
    min_confidence: float | None = None,
    cluster: str | None = None,
    author: str | None = None,
    keyword: str | None = None,
    analyzer: str | None = None,
    model: str | None = None,
    language: str | None = None,
    metadata: Mapping[str, str] | None = None,
    fields: Mapping[str, Asked] | None = None,
    sort: Sort = "-timestamp",
    bom: bool = False,
) -> Download:
    """The insights of the window `[start_time, end_time)` as a file: `.csv`, `.ndjson` or `.parquet`.

    `bom` begins a CSV with a byte order mark, as Excel wants it. What the file held before is replaced once it is
    whole. Raises ValueError for another ending, and OSError where the file cannot be written.
    """
    page = insights_page(
        start_time=start_time,
        end_time=end_time,
        sentiment=sentiment,
        min_confidence=min_confidence,
        cluster=cluster,
        author=author,
        keyword=keyword,
        analyzer=analyzer,
        model=model,
        language=language,
        metadata=metadata,
        fields=fields,
        sort=sort,
    )
    return _whole(page, path, bom)


def people_file(
    path: Name,
    *,
    role: Literal["customer", "support_agent"] | None = None,
    start_time: Time | None = None,
    end_time: Time | None = None,
    sort: str | None = None,
    bom: bool = False,
) -> Download:
    """All people who wrote in a role, as a file; see `save_insights`."""
    return _whole(people_page(role=role, start_time=start_time, end_time=end_time, sort=sort), path, bom)


def facets_file(
    path: Name,
    field: str,
    *,
    start_time: Time | None = None,
    end_time: Time | None = None,
    fields: Mapping[str, Asked] | None = None,
    bom: bool = False,
) -> Download:
    """All values of a field, each with its count, as a file; see `save_insights`."""
    return _whole(facets(field, start_time=start_time, end_time=end_time, fields=fields), path, bom)


def summaries_file(
    path: Name,
    *,
    outcome: str | None = None,
    has_open_questions: bool | None = None,
    cluster: str | None = None,
    person: str | None = None,
    start_time: Time | None = None,
    end_time: Time | None = None,
    bom: bool = False,
) -> Download:
    """All chats that have a summary, with it, as a file; see `save_insights`."""
    page = summaries_page(
        outcome=outcome,
        has_open_questions=has_open_questions,
        cluster=cluster,
        person=person,
        start_time=start_time,
        end_time=end_time,
    )
    return _whole(page, path, bom)


def topics_file(
    path: Name, *, state: Literal["active", "hidden", "merged"] | None = None, bom: bool = False
) -> Download:
    """All topics that there are, as a file; see `save_insights`."""
    return _whole(all_topics_page(state=state), path, bom)


def compared_topics_file(
    path: Name,
    *,
    start_time: Time,
    end_time: Time,
    compare_start_time: Time | None = None,
    compare_end_time: Time | None = None,
    sentiment: str | None = None,
    min_confidence: float | None = None,
    analyzer: str | None = None,
    fields: Mapping[str, Asked] | None = None,
    sort: str = "-count",
    bom: bool = False,
) -> Download:
    """The topics of a window, compared with another one, as a file; see `save_insights`."""
    page = compare_topics(
        start_time=start_time,
        end_time=end_time,
        compare_start_time=compare_start_time,
        compare_end_time=compare_end_time,
        sentiment=sentiment,
        min_confidence=min_confidence,
        analyzer=analyzer,
        fields=fields,
        sort=sort,
    )
    return _whole(page, path, bom)


def _whole(page: Call[Any], path: Name, bom: bool) -> Download:
    """The list of which this call gets a page."""
    params = {name: value for name, value in page.params.items() if name not in OF_PAGES}
    headers = {"accept": form_of(Path(path))}
    call = Call("GET", page.path, nothing, {**params, "bom": bom or None}, headers=headers)
    return Download(call, Path(path))


def form_of(path: Path) -> str:
    """The media type of a file by its name's ending. Raises ValueError."""
    if form := FORMS.get(path.suffix.lower()):
        return form
    raise ValueError(f"{path.name}: must end in {', '.join(FORMS)}")
