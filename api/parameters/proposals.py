"""The query parameters of `/api/v1/topics/proposals`."""

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from api.parameters.common import Limit, NumberCursor, Parameters
from schemas import ProposalState

PLACE = re.compile(r"[0-9]{1,18}-[0-9]{1,9}")


def _place(cursor: str) -> str:
    if PLACE.fullmatch(cursor) is None:
        raise ValueError("must be a value of next_cursor")
    return cursor


PlaceCursor = Annotated[
    str, AfterValidator(_place), WithJsonSchema({"type": "string", "pattern": f"^{PLACE.pattern}$"})
]


class ProposalsParameters(Parameters):
    """Which proposals."""

    state: ProposalState = "proposed"
    limit: Limit = 50
    cursor: PlaceCursor | None = None

    @property
    def after(self) -> tuple[int, int] | None:
        """The place (size, number) that they come after."""
        if self.cursor is None:
            return None
        size, number = map(int, self.cursor.split("-"))
        return size, number


class MembersParameters(Parameters):
    """Which of a proposal's conversations."""

    limit: Limit = 100
    cursor: NumberCursor | None = None

    @property
    def after(self) -> int:
        """The intake number that they come after."""
        return 0 if self.cursor is None else int(self.cursor)
