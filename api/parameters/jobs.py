"""The query parameters of `/api/v1/jobs`."""

from typing import Annotated

from pydantic import Field

from api.parameters.common import Limit, Parameters, Word


class JobsParameters(Parameters):
    """Which jobs."""

    kind: Word | None = None
    limit: Limit = 100
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | None = None

    @property
    def before(self) -> int | None:
        """The number that the jobs are below."""
        return None if self.cursor is None else int(self.cursor)
