"""The query parameters of `/api/v1/audit`."""

from api.parameters.common import DownloadParameters, Limit, Moment, NumberCursor, Word
from store.access.audit import AuditFilter


class AuditParameters(DownloadParameters):
    """Which entries."""

    start_time: Moment | None = None
    end_time: Moment | None = None
    actor: Word | None = None
    action: Word | None = None
    limit: Limit = 100
    cursor: NumberCursor | None = None

    @property
    def filter(self) -> AuditFilter:
        """The filter for the store."""
        return AuditFilter(self.start_time, self.end_time, self.actor, self.action)

    @property
    def before(self) -> int | None:
        """The number that the entries are below."""
        return None if self.cursor is None else int(self.cursor)
