"""The query parameters of `/api/v1/conversations`."""

from typing import Literal

from api.parameters.common import Limit, NumberCursor, Parameters, Wait, Word


class ConversationParameters(Parameters):
    """Of one conversation."""

    wait: Wait = 0
    include: Literal["raw", "history", "raw,history"] | None = None

    def includes(self, what: str) -> bool:
        """Whether this is asked for."""
        return what in (self.include or "").split(",")


class ConversationsParameters(Parameters):
    """Of the list of conversations."""

    status: Literal["queued", "processing", "completed", "failed", "skipped"] | None = None
    external_id: Word | None = None
    author: Word | None = None
    limit: Limit = 100
    cursor: NumberCursor | None = None


class RetryParameters(Parameters):
    """Of the retry of one conversation."""

    fresh: bool = False


class RetryAllParameters(Parameters):
    """Of the retry of all conversations with a status."""

    status: Literal["failed", "skipped"]
