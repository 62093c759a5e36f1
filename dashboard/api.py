"""The only way to the service: calls of its Python client, several at once, kept for a minute; errors as values."""

from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar, cast, overload

import streamlit as st

from client import Busy, Client, ClientError, Denied, Failed, Invalid, NotFound, Unreachable, calls
from client.answers import Health, Me
from client.wire import Call
from dashboard.credentials import Credential, presented

SECONDS = 60
"""For how long an answer is shown again without asking."""
KEPT = 200
REMEMBERED = 20
"""Answers of a session that are shown again while the service is away."""
KNOWN = "known"
"""Where a session keeps who it is, and by which credential, as the service said when the page was drawn."""
TIMEOUT = 30.0
PATIENCE = 0
"""A page that says that the service is away, and comes back by itself, is better than one that waits without a word."""

Kind = Literal["unknown", "forbidden", "limited", "away", "missing", "refused", "failed"]
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer.

    `unknown`: no valid credential; `forbidden`: the role does not suffice; `limited`: asked too often; `away`: no
    answer; `missing`: no such record; `refused`: the service cannot take what was asked; `failed`: a job ended without
    success. `words` are the client's or the service's own, and may quote anything: draw them as text.
    """

    kind: Kind
    words: str
    retry_after: float | None = None

    @property
    def may_pass(self) -> bool:
        """Whether the same question may be answered in a minute."""
        return self.kind in ("unknown", "forbidden", "limited", "away")


class _Unkept(Exception):
    """Answers with a problem that may pass; an exception, because Streamlit's cache keeps whatever is returned."""

    def __init__(self, answers: tuple[object, ...]) -> None:
        super().__init__()
        self.answers = answers


@overload
def read(one: Call[A], /) -> A | Problem: ...
@overload
def read(one: Call[A], two: Call[B], /) -> tuple[A | Problem, B | Problem]: ...
@overload
def read(one: Call[A], two: Call[B], three: Call[C], /) -> tuple[A | Problem, B | Problem, C | Problem]: ...
@overload
def read(
    one: Call[A], two: Call[B], three: Call[C], four: Call[D], /
) -> tuple[A | Problem, B | Problem, C | Problem, D | Problem]: ...
def read(*asked: Call[Any]) -> object:
    """The answers to calls that only read, asked for at once; those of the last minute are not asked for again."""
    who = presented()
    client = _client(who)
    if isinstance(client, Problem):
        answers: tuple[object, ...] = (client,) * len(asked)
    else:
        try:
            answers = _kept(who, tuple(map(_identity, asked)), asked, client)
        except _Unkept as unkept:
            answers = unkept.answers
        answers = _or_before(who, asked, answers)
    return answers if len(asked) > 1 else answers[0]


def _or_before(
    who: Credential, asked: Sequence[Call[Any]], answers: tuple[object, ...]
) -> tuple[object, ...]:
    """Answers, and in place of those of a service that is away what it last said: a page keeps what is typed on it."""
    said = _last_said(who)
    for call, answer in zip(asked, answers, strict=True):
        if not isinstance(answer, Problem):
            said.pop(_identity(call), None)
            said[_identity(call)] = answer
    while len(said) > REMEMBERED:
        del said[next(iter(said))]
    return tuple(
        said.get(_identity(call), answer) if isinstance(answer, Problem) and answer.kind == "away" else answer
        for call, answer in zip(asked, answers, strict=True)
    )


@st.cache_resource(scope="session", max_entries=1, show_spinner=False)
def _last_said(who: Credential) -> dict[Hashable, object]:
    return {}


def here() -> tuple[Me | Problem, Health | Problem]:
    """Who is here, and how the service is: what every page shows, so it costs a view nothing to look at it again."""
    known_by, me = st.session_state.get(KNOWN, (None, None))
    if me is None or known_by != presented():
        return read(calls.me(), calls.health())
    return me, read(calls.health())


def arrived() -> tuple[Me | Problem, Health | Problem]:
    """The same at the beginning of a page, where whoever has a credential is asked about each time.

    A log-in that has ended would else be believed for a minute. Nothing that was read with it is shown again.
    """
    who = presented()
    if who.is_empty:
        st.session_state.pop(KNOWN, None)
        return here()
    st.session_state[KNOWN] = who, _recognised(who)
    return here()


def _recognised(who: Credential) -> Me | Problem:
    asked, said = calls.me(), _last_said(who)
    answer: Me | Problem = fresh(asked)
    if isinstance(answer, Me):
        said[_identity(asked)] = answer
    elif answer.kind == "unknown":
        forget()
        said.clear()
    elif answer.kind in ("away", "limited"):
        return cast("Me", said.get(_identity(asked), answer))
    return answer


def change(call: Call[A]) -> A | Problem:
    """The answer to a call that changes something. Whatever was read before is asked for anew afterwards."""
    client = _client(presented())
    if isinstance(client, Problem):
        return client
    answer: A | Problem = ask(client, call)
    forget()
    return answer


def fresh(call: Call[A]) -> A | Problem:
    """The answer to a call that only reads, as it is at this moment."""
    client = _client(presented())
    if isinstance(client, Problem):
        return client
    answer: A | Problem = ask(client, call)
    return answer


def forget() -> None:
    """Ask for everything anew."""
    _kept.clear()


def is_there() -> bool:
    """Whether the service answers at all."""
    client = _client(presented())
    return isinstance(client, Client) and not isinstance(ask(client, calls.alive()), Problem)


# A session's own, like its credential: what is cached for all would show one person what another may see.
@st.cache_data(ttl=SECONDS, max_entries=KEPT, scope="session", show_spinner="Asking the service ...")
def _kept(
    who: Credential, identities: tuple[Hashable, ...], _asked: Sequence[Call[Any]], _client: Client
) -> tuple[object, ...]:
    with ThreadPoolExecutor(len(_asked)) as pool:
        answers = tuple(pool.map(partial(ask, _client), _asked))
    if any(isinstance(each, Problem) and each.may_pass for each in answers):
        raise _Unkept(answers)
    return answers


@st.cache_resource(
    scope="session", max_entries=1, on_release=lambda client: _close(client), show_spinner=False
)
def _client(who: Credential) -> Client | Problem:
    try:
        return Client(
            who.url,
            key=who.key,
            session=who.session,
            patience=PATIENCE,
            busy_patience=0,
            timeout=TIMEOUT,
        )
    except ClientError as error:
        return Problem("unknown", str(error))


def _close(client: Client | Problem) -> None:
    if isinstance(client, Client):
        client.close()


def _identity(call: Call[Any]) -> Hashable:
    return (
        call.method,
        call.path,
        tuple(sorted((name, str(value)) for name, value in call.params.items())),
        call.body,
    )


def ask(client: Client, call: Call[Any]) -> Any:
    """The answer that a client has for a call, or the problem. Asks each time."""
    try:
        return client.send(call)
    except ClientError as error:
        return _problem(error)
    except RuntimeError:
        # A tab that is closed gives its client back at once, while what it runs by itself still asks.
        if client.is_closed:
            return Problem("away", "This page was closed.")
        raise


def _problem(error: ClientError) -> Problem:
    match error:
        case Denied(status=401):
            return Problem("unknown", str(error))
        case Denied():
            return Problem("forbidden", str(error))
        case Busy():
            return Problem("limited", str(error), error.retry_after)
        case NotFound():
            return Problem("missing", str(error))
        case Unreachable() | Failed():
            return Problem("away", str(error))
        case Invalid():
            return Problem("refused", str(error.details or error))
    return Problem("refused", str(error))
