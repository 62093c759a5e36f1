"""A chat as it is spoken: its socket, with typed frames. Blocking; one thread may listen while another speaks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NoReturn
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from .answers.live import Frame
from .calls.building import path_to
from .errors import Busy, Denied, Failed, NotFound, Refused, Unexpected, Unreachable
from .sending import credentials_of
from .wire import retry_after

FRAME: TypeAdapter[Frame] = TypeAdapter(Frame)
CONNECTING = 10.0
"""Seconds until a socket counts as refused."""
LOCAL = ("localhost", "127.0.0.1", "::1")
DELETED, NOT_ALLOWED = 4404, 1008


class ChatSocket:
    """A seat in a chat. Iterating waits for frames.

    Raises NotFound once the chat is deleted, Denied once the credential is not good any more, else Unreachable.
    """

    def __init__(self, socket: ClientConnection, url: str) -> None:
        self._socket = socket
        self._url = url

    def __iter__(self) -> Iterator[Frame]:
        while True:
            try:
                heard = self._socket.recv()
            except ConnectionClosed as closed:
                _ended(closed, self._url)
            try:
                yield FRAME.validate_json(heard)
            except ValidationError as error:
                raise Unexpected(self._url, 101) from error

    def say(self, message_id: str, user_id: str, user_type: str, content: str) -> None:
        """Send a message; its ack, or an error, has the message id as `ref`. Raises Unreachable."""
        message = {
            **{"type": "message", "ref": message_id, "message_id": message_id},
            **{"user_id": user_id, "user_type": user_type, "message_content": content},
        }
        try:
            self._socket.send(json.dumps(message))
        except ConnectionClosed as closed:
            raise Unreachable(self._url, str(closed), type(closed).__name__) from closed

    def close(self) -> None:
        """Leave. Whoever listens stops listening."""
        self._socket.close()


@contextmanager
def joined(
    url: str,
    conversation_id: str,
    *,
    key: str | None = None,
    session: str | None = None,
    after: int | None = None,
) -> Iterator[ChatSocket]:
    """A seat in a chat of the service at `url`; `after` is the last position that was heard, None for from now on.

    `key` and `session` are those of Client. Raises ClientError.
    """
    query = "" if after is None else f"?after={after}"
    where = f"{url.replace('http', 'ws', 1)}{path_to('/ws/chats', conversation_id)}{query}"
    with _connected(url, where, credentials_of(url, key, session)) as socket:
        yield ChatSocket(socket, where)


@contextmanager
def _connected(url: str, where: str, headers: dict[str, str]) -> Iterator[ClientConnection]:
    # What runs on this machine is never behind the proxy that the environment names.
    proxy: Literal[True] | None = None if urlsplit(url).hostname in LOCAL else True
    try:
        socket = connect(where, additional_headers=headers, proxy=proxy, open_timeout=CONNECTING)
    except InvalidStatus as refused:
        raise _refusal(where, refused) from refused
    except (OSError, InvalidHandshake) as error:
        raise Unreachable(url, str(error) or type(error).__name__, type(error).__name__) from error
    with socket:
        yield socket


def _refusal(where: str, refused: InvalidStatus) -> Refused:
    status, pause = refused.response.status_code, refused.response.headers.get("retry-after")
    kinds: dict[int, type[Refused]] = {401: Denied, 403: Denied, 404: NotFound, 429: Busy, 503: Busy}
    error = kinds.get(status, Failed if status >= 500 else Refused)(where, status, None, None)
    if isinstance(error, Busy):
        error.retry_after = retry_after(pause)
    return error


def _ended(closed: ConnectionClosed, where: str) -> NoReturn:
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "no close frame")
    if code == DELETED:
        raise NotFound(where, 404, "not_found", reason) from closed
    if code == NOT_ALLOWED:
        raise Denied(where, 403, None, reason) from closed
    raise Unreachable(where, f"closed with {code}: {reason}", type(closed).__name__) from closed
