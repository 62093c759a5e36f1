"""A seat in a chat: a thread that listens to its socket for one session, and keeps what the page is to show.

The thread never calls Streamlit. It comes back by itself after every loss, and ends when the session does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock, Thread
from typing import Any, Literal
from uuid import uuid4

import streamlit as st

from client.answers import Message, SummaryState
from client.answers.live import AckFrame, DraftFrame, ErrorFrame, Frame, MessageFrame, SummaryFrame
from client.errors import Busy, ClientError, Denied, NotFound, Unreachable
from client.live import ChatSocket, joined
from dashboard.credentials import Credential

State = Literal["joining", "here", "away", "deleted", "denied", "busy"]
AGAIN = 1.0
"""Seconds until the next attempt."""
LATER = 5.0
"""The same where another attempt only helps once somebody has given a permission back."""
TRANSIENT = frozenset({"rate_limit_exceeded", "database_unavailable", "queue_full", "overloaded"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message of one's own that is not on disk yet; `refused` says why it will not be."""

    id: str
    author: str
    role: str
    text: str
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What has been heard so far: a picture that does not change while it is drawn."""

    state: State
    messages: Sequence[Message] = ()
    draft: str = ""
    summary: SummaryState | None = None
    unsent: Sequence[Spoken] = ()


class Seat:
    """Somebody's seat in a chat, from a position on."""

    def __init__(self, who: Credential, chat: str, after: int) -> None:
        self._who, self._chat, self._after = who, chat, after
        self._heard = Heard("joining")
        self._lock, self._closing = Lock(), Event()
        self._socket: ChatSocket | None = None
        self._thread = Thread(target=self._run, name=f"seat in {chat}", daemon=True)
        self._thread.start()

    @property
    def is_taken(self) -> bool:
        """Whether its thread still listens."""
        return self._thread.is_alive()

    def look(self) -> Heard:
        """What has been heard so far."""
        return self._heard

    def say(self, text: str, *, author: str, role: str) -> None:
        """Say something. It is sent again after every loss until the service has it, and stored once."""
        spoken = Spoken(f"dash-{uuid4().hex}", author, role, text)
        with self._lock:
            self._heard = replace(self._heard, unsent=(*self._heard.unsent, spoken))
        self._send(spoken)

    def close(self) -> None:
        """Leave."""
        self._closing.set()
        if (socket := self._socket) is not None:
            socket.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._closing.wait(self._sit())

    def _sit(self) -> float:
        """Listen until the socket is lost; gives the seconds until the next attempt."""
        try:
            who = self._who
            with joined(who.url, self._chat, key=who.key, session=who.session, after=self._after) as socket:
                self._arrive(socket)
                for frame in socket:
                    self._hear(frame)
        except ClientError as error:
            return self._lose(error)
        finally:
            self._socket = None
        return AGAIN

    def _arrive(self, socket: ChatSocket) -> None:
        self._socket = socket
        if self._closing.is_set():
            socket.close()
        was_deleted = self._heard.state == "deleted"
        self._note(state="deleted" if was_deleted else "here")
        self._send_all()

    def _lose(self, error: ClientError) -> float:
        match error:
            case NotFound():
                # A chat that begins anew under the id is another one.
                self._after = 0
                self._note(state="deleted", messages=(), draft="", summary=None)
            case Denied():
                self._note(state="denied")
                return LATER
            case Busy(retry_after=pause):
                self._note(state="busy")
                return pause or LATER
            case _:
                self._note(state="away")
        return AGAIN

    def _hear(self, frame: Frame) -> None:
        match frame:
            case MessageFrame(message=message):
                self._after = message.position
                self._note(state="here", messages=(*self._heard.messages, message))
            case AckFrame(message_id=id_):
                self._forget(id_)
            case DraftFrame(text=text, starts=starts):
                self._note(draft=text if starts else self._heard.draft + text)
            case SummaryFrame(summary=summary):
                self._note(summary=summary, draft="")
            case ErrorFrame():
                self._refuse(frame)

    def _note(self, **changes: Any) -> None:
        with self._lock:
            self._heard = replace(self._heard, **changes)

    def _forget(self, id_: str) -> None:
        with self._lock:
            kept = tuple(each for each in self._heard.unsent if each.id != id_)
            self._heard = replace(self._heard, unsent=kept)

    def _refuse(self, frame: ErrorFrame) -> None:
        if frame.error in TRANSIENT:
            self._closing.wait(frame.retry_after or AGAIN)
            self._send_all()
            return
        why = str(frame.details or frame.error)
        with self._lock:
            self._heard = replace(
                self._heard,
                unsent=tuple(
                    replace(each, refused=why) if each.id == frame.ref else each
                    for each in self._heard.unsent
                ),
            )

    def _send_all(self) -> None:
        for each in self._heard.unsent:
            if each.refused is None:
                self._send(each)

    def _send(self, spoken: Spoken) -> None:
        """Send it if there is a socket; if not, it goes out once there is one."""
        if (socket := self._socket) is not None:
            try:
                socket.say(spoken.id, spoken.author, spoken.role, spoken.text)
            except Unreachable:
                return


@st.cache_resource(scope="session", max_entries=1, on_release=Seat.close, show_spinner=False)
def taken(who: Credential, chat: str, _after: int) -> Seat:
    """The one seat of this session: it moves with whoever looks at another chat, and is left with the session."""
    return Seat(who, chat, _after)
