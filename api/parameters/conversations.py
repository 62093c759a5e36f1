"""The query parameters of `/api/v1/conversations`."""

from typing import Annotated, Literal

from pydantic import Field

from api.parameters.common import Limit, Parameters, Wait, Word


class ConversationParameters(Parameters):
    """Of one conversation."""

    wait: Wait = 0
    include: Literal["raw"] | None = None


class ConversationsParameters(Parameters):
    """Of the list of conversations."""

    status: Literal["queued", "processing", "completed", "failed", "skipped"] | None = None
    external_id: Word | None = None
    author: Word | None = None
    limit: Limit = 100
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | None = None


class RetryParameters(Parameters):
    """Of the retry of one conversation."""

    fresh: bool = False


class RetryAllParameters(Parameters):
    """Of the retry of all conversations with a status."""

    status: Literal["failed", "skipped"]
