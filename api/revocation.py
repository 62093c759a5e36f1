"""What is under way when its caller loses access: an answer to a read is cut off, a socket is closed.

Without this a leaked key would go on reading after it was revoked: a socket for as long as it likes, an export until
its end. The answer to a write is still given: it says what was done.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import to_api_error
from core.errors import BadCredential
from services.access.directory import Directory


class _ShutOut(Exception):
    """Ends a request from within its answer. Nothing else handles it, so that the work for it ends, too."""


async def answer(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, directory: Directory, actor: str
) -> None:
    """Let the application answer a read for as long as its caller has access."""
    has_begun = False

    async def checked(message: Message) -> None:
        nonlocal has_begun
        if directory.is_shut_out(actor):
            raise _ShutOut
        has_begun = True
        await send(message)

    try:
        await app(scope, receive, checked)
    except _ShutOut:
        # An answer that has begun is left without its end: the server cuts the connection, and no client takes the
        # part for the whole.
        if not has_begun:
            await to_api_error(BadCredential("shut out")).response()(scope, receive, send)
