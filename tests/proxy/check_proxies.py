"""Caddy and nginx with the configurations of `deploy/proxy`, in front of the closed service.

`make test-proxy` runs this, with the Debian packages caddy, nginx, curl and openssl.
"""

import asyncio
import gzip
import json
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.support.process import POSTS
from benchmarks.support.waiting import eventually
from tests.proxy.front import PONG, Front, fronted, ping

LATE = "My parcel is three days late and nobody answers"
RECENT = "/api/v1/insights/recent"
MEGABYTE = 1_000_000


# --- requests -----------------------------------------------------------------------------------------------


def test_a_post_with_its_location_and_a_wait(front: Front) -> None:
    http = front.client("agent")

    posted = http.post(POSTS, json={"text": LATE}, headers={"X-Request-ID": "mine"})
    read = http.get(f"{posted.headers['Location']}?wait=5")

    assert (posted.status_code, posted.headers["X-Request-ID"]) == (202, "mine")
    assert "max-age" in posted.headers["Strict-Transport-Security"]
    assert read.json()["status"] == "completed"


def test_an_export_is_whole(front: Front) -> None:
    http = front.client("agent")
    texts = [{"text": f"{LATE} ({number})", "timestamp": "2026-01-02"} for number in range(500)]
    ids = http.post(f"{POSTS}/bulk", json=texts).json()["conversation_ids"]
    asyncio.run(eventually(lambda: http.get("/health").json()["queue_size"] == 0, 60))

    window = {"start_time": "2026-01-02", "end_time": "2026-01-03"}
    answer = http.get("/api/v1/insights", params=window, headers={"Accept": "application/x-ndjson"})

    assert {json.loads(line)["conversation_id"] for line in answer.text.splitlines()} == set(ids)


def test_a_wait_is_held_and_answered(front: Front) -> None:
    http = front.client("admin")
    assert http.post("/api/v1/analysis/pause").status_code == 200
    id_ = http.post(POSTS, json={"text": f"{LATE}, still"}).json()["conversation_id"]

    since = time.monotonic()
    read = http.get(f"{POSTS}/{id_}?wait=5")
    took = time.monotonic() - since
    http.post("/api/v1/analysis/resume")

    assert read.json()["status"] == "queued"
    assert took >= 5


def test_a_gzip_body_and_head(front: Front) -> None:
    http = front.client("agent")
    body = gzip.compress(json.dumps({"text": LATE, "external_id": "g-1"}).encode())

    packed = http.post(
        POSTS, content=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}
    )
    head = http.head(RECENT)

    assert packed.status_code == 202
    assert (head.status_code, head.content, head.headers["Content-Type"]) == (200, b"", "application/json")


@pytest.mark.parametrize(("flag", "version"), [("--http1.1", "1.1"), ("--http2", "2")])
def test_both_versions_of_http(front: Front, flag: str, version: str) -> None:
    command = ["curl", "--silent", flag, "--cacert", str(front.proxy.certificate), "--interface", "127.0.2.1"]
    command += [
        "--header",
        f"Authorization: Bearer {front.keys['agent']}",
        "--json",
        '{"text": "Thank you!"}',
    ]
    command += ["--output", "/dev/null", "--write-out", "%{http_code} %{http_version}"]

    asked = subprocess.run(
        [*command, f"{front.proxy.origin}{POSTS}"], check=True, capture_output=True, text=True
    )

    assert asked.stdout == f"202 {version}"


def test_plain_http_is_sent_to_https(front: Front) -> None:
    url = f"http://localhost:{front.proxy.plain_port}{POSTS}"

    answer = httpx.post(url, json={}, trust_env=False)

    assert answer.status_code == 308
    assert answer.headers["Location"].startswith("https://localhost")


# --- who asks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.3.1", "127.0.0.1"])
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_an_address_that_the_client_made_up_is_not_believed(front: Front, header: str, address: str) -> None:
    """Nor if the client is at an address that the service trusts, as a neighbour of the proxy's may be."""
    target = f"/for-{header}-{address}"
    made_up = "for=203.0.113.9" if header == "Forwarded" else "203.0.113.9"

    refused = front.client("viewer", address, **{header: made_up}).delete(f"{POSTS}{target}")
    entries = front.client("admin").get("/api/v1/audit").json()["entries"]

    assert refused.status_code == 403
    assert {entry["client"] for entry in entries if entry["target"].endswith(target)} == {address}


def test_limits_are_each_clients_and_their_headers_arrive(front: Front) -> None:
    http = front.client("viewer")

    answers = [http.get(RECENT) for _ in range(31)]

    assert [each.status_code for each in answers] == [200] * 30 + [429]
    assert {each.headers["RateLimit-Limit"] for each in answers} == {"30"}
    assert answers[0].headers["RateLimit-Remaining"] == "29"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert front.client("viewer").get(RECENT).status_code == 200


# --- a path that others share -------------------------------------------------------------------------------


@pytest.mark.parametrize("removes", [False, True])
def test_a_prefix_that_the_proxy_passes_on_or_removes(kind: str, removes: bool, tmp_path: Path) -> None:
    with fronted(kind, tmp_path, prefix="/insights", removes=removes) as front:
        http = front.client("agent")
        where = http.post(f"/insights{POSTS}", json={"text": LATE, "author": "Jürgen 1%"}).headers["Location"]
        chats = http.get("/insights/users/J%C3%BCrgen%201%25/chats").json()

        assert where.startswith(f"/insights{POSTS}/")
        assert http.get(where).status_code == 200
        assert chats["total"] == 1
        assert http.get("/insights/").headers["Location"] == "/insights/docs"
        assert http.get("/insights/openapi.json").json()["servers"] == [{"url": "/insights"}]
        assert http.get(POSTS).status_code == 404
        with front.socket(origin=front.proxy.origin) as connection:
            assert ping(connection) == PONG


# --- large bodies, and restarts; analysis stays paused ------------------------------------------------------


def test_a_body_of_15_mb_is_taken_and_the_service_refuses_more(front: Front) -> None:
    http = front.client("admin")
    http.post("/api/v1/analysis/pause")
    texts = [{"text": f"{number} " + "é" * 19_000} for number in range(395)]
    whole = json.dumps(texts, ensure_ascii=False).encode()
    assert len(whole) > 15 * MEGABYTE

    def post(body: bytes) -> httpx.Response:
        return http.post(f"{POSTS}/bulk", content=body, headers={"Content-Type": "application/json"})

    assert post(whole).status_code == 202
    for size in (17, 34):
        refused = post(b" " * size * MEGABYTE)
        assert (refused.status_code, refused.json()["error"]) == (413, "payload_too_large")


def test_sigterm_answers_who_waits_and_says_good_bye_to_sockets(front: Front) -> None:
    http = front.client("admin")
    http.post("/api/v1/analysis/pause")
    id_ = http.post(POSTS, json={"text": LATE, "author": "drained"}).json()["conversation_id"]
    with front.socket() as connection, ThreadPoolExecutor() as pool:
        assert ping(connection) == PONG
        waits = pool.submit(http.get, f"{POSTS}/{id_}?wait=60")
        time.sleep(2)  # nothing shows from outside that a wait has begun
        seconds = front.service.end(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=10)

        assert front.service.exit_code() == 0
        assert seconds < 8
        assert waits.result().json()["status"] == "queued"
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    front.restart()


def test_a_service_that_comes_back_is_found_at_once_and_no_log_has_a_secret(front: Front) -> None:
    secrets = ("tick-1234", "code-1234", "state-1234", "words-1234", front.keys["agent"])
    http = front.client("agent")
    asked = [f"/auth/callback/oidc?code={secrets[1]}&state={secrets[2]}", f"/chats?keyword={secrets[3]}"]

    def ask() -> list[int]:
        with pytest.raises(InvalidStatus):
            front.socket(query=f"?ticket={secrets[0]}", additional_headers={})
        return [http.get(path, headers={"Referer": front.proxy.origin + path}).status_code for path in asked]

    front.service.end(signal.SIGTERM)
    away = ask()
    front.restart()
    back = ask()

    assert away == [502, 502]
    assert back[1] == 200
    assert http.post(POSTS, json={"text": LATE}).status_code == 202
    asyncio.run(eventually(lambda: front.proxy.written.count("/ws/chats/c1") >= 2))
    assert [secret for secret in secrets if secret in front.proxy.written] == []
    with front.socket(query="?after=0") as connection:
        assert ping(connection) == PONG
