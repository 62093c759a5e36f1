"""One try over a real socket: signed, to an address that was checked, and ended whatever the receiver does."""

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.support.process import free_port
from benchmarks.support.serving import served
from core import clock
from domain.receivers import Outcome, Outgoing, Tried
from services.webhooks.sending import MOST_READ, Resolver, Sending
from tests.support.certificates import made_for
from tests.support.receivers import WebhookReceiver, receiving

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
BODY = '{"type":"insight.completed","data":{"é":1}}'


@pytest.fixture(scope="module")
def shared() -> Iterator[WebhookReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def receiver(shared: WebhookReceiver) -> WebhookReceiver:
    url = shared.url
    WebhookReceiver.__init__(shared)
    shared.url = url
    return shared


def looks_up(*answers: Sequence[str]) -> "Names":
    return Names([*answers])


class Names:
    """Gives one answer a look-up, the last again and again."""

    def __init__(self, answers: list[Sequence[str]]) -> None:
        self._answers = answers
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


LOCAL = ["127.0.0.1"]


def sending(*answers: Sequence[str], allow_private: bool = True, seconds: float = 20.0) -> Sending:
    return Sending(clock.now, allow_private, looks_up(*(answers or [LOCAL])), seconds)


def outgoing(url: str) -> Outgoing:
    return Outgoing(url, SECRET, "evt_1", BODY)


async def test_it_is_signed_as_standard_webhooks_says(receiver: WebhookReceiver) -> None:
    tried = await sending()(outgoing(f"{receiver.url}/hook?a=1"))

    [(headers, body)] = receiver.got
    assert tried == Tried(Outcome.DELIVERED, 200)
    assert receiver.events(SECRET) == [{"type": "insight.completed", "data": {"é": 1}}]
    # The same by hand, as the specification has it.
    signed = f"evt_1.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert headers["content-type"] == "application/json"
    assert body == BODY.encode()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((201, Outcome.DELIVERED), (204, Outcome.DELIVERED), (400, Outcome.REFUSED), (404, Outcome.REFUSED)),
        *((429, Outcome.REFUSED), (500, Outcome.REFUSED), (503, Outcome.REFUSED), (410, Outcome.GONE)),
    ],
)
async def test_how_an_answer_counts(receiver: WebhookReceiver, status: int, outcome: Outcome) -> None:
    receiver.status = status

    assert await sending()(outgoing(receiver.url)) == Tried(outcome, status)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed(receiver: WebhookReceiver, status: int) -> None:
    receiver.status, receiver.headers = status, {"location": f"{receiver.url}/elsewhere"}

    tried = await sending()(outgoing(f"{receiver.url}/hook"))

    assert (tried.outcome, tried.status) == (Outcome.REDIRECTED, status)
    assert receiver.paths == ["/hook"]


async def test_a_receiver_that_hangs_is_given_up(receiver: WebhookReceiver) -> None:
    receiver.status = 0

    assert (await sending(seconds=0.3)(outgoing(receiver.url))).outcome is Outcome.TIMEOUT


async def test_one_that_never_answers_a_look_up_is_given_up() -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return LOCAL

    tried = await Sending(clock.now, True, never, 0.1)(outgoing("https://example.test/"))

    assert tried.outcome is Outcome.TIMEOUT


async def test_one_that_is_not_there() -> None:
    tried = await sending()(outgoing(f"http://127.0.0.1:{free_port()}/"))

    assert tried.outcome is Outcome.UNREACHABLE


async def test_a_name_that_nobody_knows() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror("no such name")

    assert (
        await Sending(clock.now, True, unknown)(outgoing("https://nowhere.test/"))
    ).outcome is Outcome.UNREACHABLE


async def test_an_endless_answer_is_not_read_to_its_end(receiver: WebhookReceiver) -> None:
    receiver.content = b"x" * 50 * MOST_READ

    assert (await sending()(outgoing(receiver.url))).outcome is Outcome.DELIVERED


@pytest.mark.parametrize(
    "answer", [LOCAL, ["10.0.0.1"], ["169.254.169.254"], ["93.184.216.34", "10.0.0.1"], []]
)
async def test_a_name_that_leads_to_a_private_address_is_refused(answer: list[str]) -> None:
    tried = await sending(answer, allow_private=False)(outgoing("https://example.test/"))

    assert tried.outcome is Outcome.FORBIDDEN_ADDRESS


async def test_every_try_looks_again_and_goes_where_that_look_led(receiver: WebhookReceiver) -> None:
    """The name means loopback at the first look and a link-local address at the second."""
    port = receiver.url.rpartition(":")[2]
    names = looks_up(LOCAL, ["169.254.169.254"])
    one = Sending(clock.now, True, names)
    url = f"http://localhost:{port}/"

    first, second = await one(outgoing(url)), await one(outgoing(url))

    assert (first.outcome, second.outcome) == (Outcome.DELIVERED, Outcome.FORBIDDEN_ADDRESS)
    assert names.asked == 2
    assert len(receiver.got) == 1
    assert receiver.got[0][0]["host"] == f"localhost:{port}"


async def test_within_a_try_there_is_no_second_look(receiver: WebhookReceiver) -> None:
    """The system would not know the name: the connection is made to the address that was checked."""
    port = receiver.url.rpartition(":")[2]
    names = looks_up(LOCAL)

    tried = await Sending(clock.now, True, names)(outgoing(f"http://checked.invalid:{port}/"))

    assert tried.outcome is Outcome.DELIVERED
    assert names.asked == 1


async def test_plain_http_goes_to_this_machine_only() -> None:
    tried = await sending(["10.0.0.1"])(outgoing("http://localhost/"))

    assert tried.outcome is Outcome.FORBIDDEN_ADDRESS


async def test_the_next_address_is_tried_where_the_first_does_not_answer(receiver: WebhookReceiver) -> None:
    port = receiver.url.rpartition(":")[2]

    tried = await sending(["::1", "127.0.0.1"])(outgoing(f"http://localhost:{port}/"))

    assert tried.outcome is Outcome.DELIVERED


async def test_an_address_is_looked_up_by_the_system_once_for_all_that_ask() -> None:
    resolver = Resolver()

    found = await asyncio.gather(*(resolver("localhost", 80) for _ in range(5)))

    assert all("127.0.0.1" in each or "::1" in each for each in found)
    with pytest.raises(OSError, match=r"."):
        await resolver("no-such-name.invalid", 80)


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookReceiver]:
    """A receiver with TLS, of the name hooks.example, whose certificate is trusted."""
    certificate, key = made_for("hooks.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    receiver = WebhookReceiver()
    with served(receiver, grace=0, ssl_certfile=certificate, ssl_keyfile=key) as server:
        receiver.url = f"https://hooks.example:{server.port}/"
        yield receiver


async def test_the_certificate_is_that_of_the_name_wherever_the_connection_goes(
    certified: WebhookReceiver,
) -> None:
    good = await sending()(outgoing(certified.url))
    of_another = await sending()(outgoing(certified.url.replace("hooks", "other")))

    assert good == Tried(Outcome.DELIVERED, 200)
    assert of_another.outcome is Outcome.UNREACHABLE
    assert len(certified.got) == 1


async def test_a_receiver_that_is_no_web_server() -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    with closing(server):
        port = server.sockets[0].getsockname()[1]
        assert (await sending()(outgoing(f"http://127.0.0.1:{port}/"))).outcome is Outcome.UNREACHABLE
