"""Signatures of help desks' webhooks: the vendors' own examples, and everything that does not fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import SECOND
from core.errors import BadCredential
from services.webhooks.signatures import signed_by
from tests.support.helpdesk_webhooks import SECRET, SIGNERS, signed_by_chatwoot

NOW = 1_764_000_000


def headers_of(source: str, body: bytes) -> dict[str, str]:
    found: dict[str, str] = SIGNERS[source](body)["headers"]
    return found


@given(st.sampled_from(sorted(SIGNERS)), st.binary(max_size=200), st.binary(min_size=1, max_size=20))
def test_what_was_signed_fits_and_nothing_else_does(source: str, body: bytes, more: bytes) -> None:
    headers = headers_of(source, body)
    now = int(headers.get("x-chatwoot-timestamp", "0")) * SECOND
    signed = signed_by(source, headers, now)

    signed.verify(SECRET, body)
    for secret, content in ((SECRET, body + more), (f"{SECRET}.", body), ("", body)):
        with pytest.raises(BadCredential):
            signed.verify(secret, content)


@pytest.mark.parametrize("source", SIGNERS)
@pytest.mark.parametrize(
    "value", [None, "", "sha1=", "sha256=", "sha256=zz", "x", "é" * 44, "=" * 44, "v1,abc"]
)
def test_a_signature_that_is_missing_or_malformed_is_refused_without_a_body(
    source: str, value: str | None
) -> None:
    headers = headers_of(source, b"{}")
    name = next(each for each in headers if each.endswith("signature"))
    changed = {each: text for each, text in headers.items() if each != name}
    if value is not None:
        changed[name] = value

    with pytest.raises(BadCredential):
        signed_by(source, changed, NOW * SECOND)


@pytest.mark.parametrize(
    ("age", "fits"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (10**9, False)]
)
def test_a_chatwoot_signature_is_good_for_five_minutes(age: int, fits: bool) -> None:
    headers = signed_by_chatwoot(b"{}")["headers"] | {"x-chatwoot-timestamp": str(NOW)}
    if fits:
        signed_by("chatwoot", headers, (NOW + age) * SECOND)
        return
    with pytest.raises(BadCredential):
        signed_by("chatwoot", headers, (NOW + age) * SECOND)


def test_the_time_of_a_chatwoot_signature_is_signed() -> None:
    headers = signed_by_chatwoot(b"{}")["headers"]
    seconds = int(headers["x-chatwoot-timestamp"])
    later = headers | {"x-chatwoot-timestamp": str(seconds + 1)}

    with pytest.raises(BadCredential):
        signed_by("chatwoot", later, seconds * SECOND).verify(SECRET, b"{}")


BY_OPENSSL = {
    "chatwoot": {
        "x-chatwoot-timestamp": "1764000000",
        "x-chatwoot-signature": "sha256=b910444c8ac57283b3313e97231e8308d5edd4bf984a6bf1069c1a451ca317d7",
    },
    "zendesk": {
        "x-zendesk-webhook-signature-timestamp": "2026-11-20T10:00:00Z",
        "x-zendesk-webhook-signature": "hAZBEbBBE15D5R/S6GFH9jdQitOO+8JBYa3WLbjxbZE=",
    },
    "intercom": {"x-hub-signature": "sha1=68234ecba380647923dd46add03d642f0cddadb5"},
}


@pytest.mark.parametrize(("source", "headers"), BY_OPENSSL.items())
def test_signatures_that_another_program_made(source: str, headers: dict[str, str]) -> None:
    signed_by(source, headers, NOW * SECOND).verify("swordfish", b'{"a":1}')
