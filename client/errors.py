"""What can go wrong between a client and the service.

ClientError
 ├─ Unreachable     no answer, or nothing but 5xx, for longer than the client's patience
 │   └─ Lost        the connection broke, and the request is not safe to send again
 ├─ Unexpected      an answer, but not one of this API
 └─ Refused         an answer of this API that is not a success: status, code, details
     ├─ Invalid     400, 413, 422: the service cannot take what was sent
     ├─ Denied      401, 403: the credentials are missing or do not suffice
     ├─ NotFound    404
     ├─ Conflict    409: what is stored disagrees with what was sent
     ├─ Busy        429, or 503 with Retry-After: the service wants to be asked later
     └─ Failed      any other 5xx
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError


class ClientError(Exception):
    """A call that did not succeed; the message is one line for people."""

    resendable = False
    """Whether the same call may succeed later, and is safe to send again."""


class Unreachable(ClientError):
    """No answer. `kind` names what happened to the connection, such as `ConnectError`."""

    resendable = True

    def __init__(self, base_url: str, reason: str, kind: str) -> None:
        super().__init__(f"no service at {base_url} ({reason}); is it running there?")
        self.kind = kind


class Lost(Unreachable):
    """The connection broke after the request may have arrived: it may or may not have been carried out."""

    resendable = False

    def __init__(self, base_url: str, reason: str, kind: str) -> None:
        super().__init__(base_url, reason, kind)
        self.args = (f"the connection to {base_url} broke ({reason}); the request may have been carried out",)


class Unexpected(ClientError):
    """The answer is not one of this API. `status` is the HTTP status."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"{url} does not answer as an Insights Platform does")
        self.url = url
        self.status = status


class Fault(BaseModel):
    """What is wrong with one of several items that were sent; `index` counts from 0."""

    index: int
    error: str
    conversation_id: str | None = None


FAULTS = TypeAdapter(list[Fault])


class Refused(ClientError):
    """The service does not do what it was asked to.

    `status` is the HTTP status, `code` the `error` of the answer, such as `invalid_schema`; None where the
    answer names none. `details` is what it says beside: a text, a list of items, or None.
    """

    def __init__(self, url: str, status: int, code: str | None, details: Any, phrase: str = "") -> None:
        self.url = url
        self.status = status
        self.code = code
        self.details = details
        self.complaint = f"{status} {code or phrase}".rstrip()
        """`400 invalid_schema: details`, or what there is of it."""
        if isinstance(details, str) and details:
            self.complaint += f": {details}"
        super().__init__(f"{url} answers {self.complaint}{self._hint()}")

    @property
    def faults(self) -> Sequence[Fault]:
        """The items that are to blame; empty where the answer names none."""
        try:
            return FAULTS.validate_python(self.details)
        except ValidationError:
            return ()

    def _hint(self) -> str:
        return "" if self.details else "; is that the Insights Platform?"


class Invalid(Refused):
    """400, 413, 422: the service cannot take what was sent. Nothing is stored."""


class Denied(Refused):
    """401, 403: the API key is missing or not valid, or its role does not suffice."""

    def _hint(self) -> str:
        return "; it wants an API key" if self.status == 401 else ""


class NotFound(Refused):
    """404: there is nothing with this id, or no such path."""


class Conflict(Refused):
    """409: an id is known with other content, a chat is full, or the state does not allow it."""


class Busy(Refused):
    """429, or 503 with Retry-After. `retry_after` is in seconds, None where the service does not say."""

    retry_after: float | None = None


class Failed(Refused):
    """Any other 5xx."""
