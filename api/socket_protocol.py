"""WebSocket with limits on what the library answers by itself, which uvicorn has no option for."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from rate_limiter import InboundLimiter, TokenBucket

POLICY = 1008


class SocketProtocol(WebSocketsSansIOProtocol):
    """WebSocket whose control frames and fragments are bounded: the library answers them before anybody counts.

    One a second is free for each socket, so that keep-alives never run out; each further one takes a token of the
    writes, and a socket that gets none is closed with 1008. Whole messages are counted by their route.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._free = TokenBucket(1, self.loop.time)

    async def send(self, message: Any) -> None:
        """Send; an answer that refuses the socket completes the hand-shake, too.

        uvicorn 0.54 forgets that, and logs an error for each socket that was refused with a status of ours.
        """
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    def handle_ping(self) -> None:
        """Count the ping, and send the answer."""
        if self._may_pass():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Count the pong, and take it in."""
        if self._may_pass():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Count the fragment: empty ones would add up without reaching the limit of a message's size."""
        if self._may_pass():
            super().handle_cont(event)

    def _may_pass(self) -> bool:
        if self.close_sent or self.transport.is_closing():
            return False
        if self._free.take().allowed or self._limiter.take(self._address, write=True).allowed:
            return True
        self.conn.fail(POLICY, "rate_limit_exceeded")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
        return False

    @property
    def _limiter(self) -> InboundLimiter:
        limiter: InboundLimiter = self.app_state["resources"].limiter
        return limiter

    @property
    def _address(self) -> str:
        # The proxy middleware replaces the proxy's address in the scope by the client's.
        client = self.scope["client"]
        return client[0] if client else ""
