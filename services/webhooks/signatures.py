"""Signatures of help desks' webhooks: what each has to send, and whether it fits. Times in UTC microseconds."""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from hmac import compare_digest, digest
from typing import NamedTuple

from core.clock import SECOND
from core.errors import BadCredential

FRESH = 300 * SECOND
"""How far a time stamp may be from now."""
SECONDS = re.compile(r"[0-9]{1,12}")
HEX = {"sha1": re.compile(r"sha1=[0-9a-fA-F]{40}"), "sha256": re.compile(r"sha256=[0-9a-fA-F]{64}")}
BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=")


class Signed(NamedTuple):
    """What came with a body: its signature, and what was signed before the body."""

    signature: str
    prefix: bytes
    of: Callable[[bytes, bytes], str]
    """The signature of something under a secret, as it is written."""

    def verify(self, secret: str, body: bytes) -> None:
        """Raises BadCredential unless the body was signed under the secret."""
        expected = self.of(secret.encode(), self.prefix + body)
        if not compare_digest(expected.encode(), self.signature.encode()):
            raise BadCredential("bad signature")


def signed_by(source: str, headers: Mapping[str, str], now: int) -> Signed:
    """What a help desk says it has signed; headers by names in lower case.

    Raises BadCredential where something is missing, malformed or too old, before anything of the body is read.
    """
    return READERS[source](headers, now)


def _chatwoot(headers: Mapping[str, str], now: int) -> Signed:
    signature = _matching(HEX["sha256"], headers.get("x-chatwoot-signature"))
    seconds = _matching(SECONDS, headers.get("x-chatwoot-timestamp"))
    if abs(now - int(seconds) * SECOND) > FRESH:
        raise BadCredential("old signature")
    return Signed(signature.lower(), f"{seconds}.".encode(), _hex("sha256"))


def _zendesk(headers: Mapping[str, str], _now: int) -> Signed:
    signature = _matching(BASE64, headers.get("x-zendesk-webhook-signature"))
    # Its documents ask for no age: a delivery that is tried again may bear the time of the first try.
    moment = headers.get("x-zendesk-webhook-signature-timestamp", "")
    return Signed(signature, moment.encode(), _base64)


def _intercom(headers: Mapping[str, str], _now: int) -> Signed:
    return Signed(_matching(HEX["sha1"], headers.get("x-hub-signature")).lower(), b"", _hex("sha1"))


def _matching(form: re.Pattern[str], value: str | None) -> str:
    if value is None or form.fullmatch(value) is None:
        raise BadCredential("no signature" if value is None else "malformed signature")
    return value


def _hex(algorithm: str) -> Callable[[bytes, bytes], str]:
    return lambda secret, signed: f"{algorithm}={digest(secret, signed, algorithm).hex()}"


def _base64(secret: bytes, signed: bytes) -> str:
    return b64encode(digest(secret, signed, "sha256")).decode()


READERS: Mapping[str, Callable[[Mapping[str, str], int], Signed]] = {
    "chatwoot": _chatwoot,
    "zendesk": _zendesk,
    "intercom": _intercom,
}
"""By the name of the help desk."""
