"""A provider with OpenID Connect on loopback: strict with whoever logs in, and it misbehaves on command.

It asks nobody for a password: whoever comes is `person`.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

CLIENT_ID = "insights of tests"
CLIENT_SECRET = "with: signs/that+have%to be encoded"
Json = dict[str, Any]
ADA: Json = {"sub": "1", "email": "ada@example.com", "email_verified": True}


def unchanged(given: Json) -> Json:
    return given


@dataclass(frozen=True)
class Conduct:
    """How it behaves; as a good provider, if nothing is changed."""

    claims: Callable[[Json], Json] = unchanged
    """What becomes of the claims of an ID token."""
    signature: str = "RS256"
    """`none`; `HS256` under the public key; `foreign`: a key that is not listed, under the id of one that is."""
    iss: str | None = None
    """The call-back's `iss`; None for the right one, empty for none."""
    email_in_token: bool = True
    auth_methods: tuple[str, ...] | None = None
    """As discovery lists them; None for no list."""
    discovery: Callable[[Json], Json] = unchanged
    userinfo: Callable[[Json], Json] = unchanged
    error: str | None = None
    """The call-back has this, and no code."""
    status: dict[str, int] = field(default_factory=dict)
    """How a path answers in place of what it should."""
    body: dict[str, bytes] = field(default_factory=dict)
    """The same for the body."""


@dataclass(frozen=True)
class Issued:
    """What a code was given for."""

    redirect_uri: str
    challenge: str
    nonce: str
    person: Json


class FakeProvider:
    """One client, one person at a time. `url` is the issuer."""

    def __init__(self) -> None:
        self.url = ""
        self.redirect_uris: set[str] = set()
        self.person = ADA
        self.conduct = Conduct()
        self.asked: list[str] = []
        """Paths, in order."""
        self._codes: dict[str, Issued] = {}
        self._tokens: dict[str, Json] = {}
        self._number = 0
        self._key = RSAKey.generate_key(2048, {"kid": "key-0"})

    def behave(self, **changed: Any) -> None:
        """Behave well but for this."""
        self.conduct = replace(Conduct(), **changed)

    def take_new_key(self) -> None:
        """Sign with another key, and list only that."""
        self._number += 1
        self._key = RSAKey.generate_key(2048, {"kid": f"key-{self._number}"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked.append(path)
        if path in self.conduct.status or path in self.conduct.body:
            return Response(self.conduct.body.get(path, b"{}"), self.conduct.status.get(path, 200))
        match path:
            case "/.well-known/openid-configuration":
                return JSONResponse(self.conduct.discovery(self._discovery()))
            case "/auth":
                return self._authorize(request)
            case "/token":
                return await self._token(request)
            case "/jwks":
                return JSONResponse({"keys": [self._listed_key(), {"kty": "unheard of", "kid": "x"}]})
            case "/me":
                return self._userinfo(request)
        return PlainTextResponse("no such page", 404)

    def _discovery(self) -> Json:
        names = {
            "authorization_endpoint": "auth",
            "token_endpoint": "token",
            "jwks_uri": "jwks",
            "userinfo_endpoint": "me",
        }
        found: Json = {name: f"{self.url}/{path}" for name, path in names.items()}
        found |= {"issuer": self.url, "authorization_response_iss_parameter_supported": True}
        if self.conduct.auth_methods is not None:
            found["token_endpoint_auth_methods_supported"] = list(self.conduct.auth_methods)
        return found

    def _listed_key(self) -> Json:
        return {**self._key.as_dict(private=False), "use": "sig", "alg": "RS256"}

    # --- the browser comes ----------------------------------------------------------------------------------

    def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if asked.get("client_id") != CLIENT_ID or asked.get("redirect_uri") not in self.redirect_uris:
            # An address that was not registered must never be led to.
            return PlainTextResponse("unknown client or redirect_uri", 400)
        answer = {"state": asked.get("state", "")}
        if (iss := self.url if self.conduct.iss is None else self.conduct.iss) != "":
            answer["iss"] = iss
        error = self.conduct.error or self._fault_of(asked)
        if error is None:
            answer["code"] = self._issue(asked)
        else:
            answer["error"] = error
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)

    def _fault_of(self, asked: dict[str, str]) -> str | None:
        needed = ("state", "nonce", "code_challenge")
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            return "invalid_request"
        if asked.get("code_challenge_method") != "S256" or any(
            len(asked.get(name, "")) < 43 for name in needed
        ):
            return "invalid_request"
        return None

    def _issue(self, asked: dict[str, str]) -> str:
        self._number += 1
        code = f"code-{self._number}"
        self._codes[code] = Issued(
            asked["redirect_uri"], asked["code_challenge"], asked["nonce"], self.person
        )
        return code

    # --- the service comes ----------------------------------------------------------------------------------

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if not self._is_client(request.headers.get("authorization", ""), form):
            return JSONResponse({"error": "invalid_client"}, 401)
        issued = self._codes.pop(form.get("code", ""), None)
        if form.get("grant_type") != "authorization_code" or issued is None or not _fits(issued, form):
            return JSONResponse(
                {"error": "invalid_grant", "error_description": "grant request is invalid"}, 400
            )
        self._number += 1
        token = f"token-{self._number}"
        self._tokens[token] = issued.person
        return JSONResponse(
            {"access_token": token, "token_type": "Bearer", "id_token": self._id_token(issued)}
        )

    def _is_client(self, authorization: str, form: Json) -> bool:
        methods = self.conduct.auth_methods or ("client_secret_basic",)
        if "client_secret_basic" in methods:
            given = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
            return [unquote(each) for each in given] == [CLIENT_ID, CLIENT_SECRET]
        return not authorization and (form.get("client_id"), form.get("client_secret")) == (
            CLIENT_ID,
            CLIENT_SECRET,
        )

    def _id_token(self, issued: Issued) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 600, "nonce": issued.nonce}
        person = issued.person if self.conduct.email_in_token else {"sub": issued.person["sub"]}
        return self._signed(self.conduct.claims({**claims, **person}))

    def _signed(self, claims: Json) -> str:
        header = {"alg": self.conduct.signature, "kid": self._key.kid}
        match self.conduct.signature:
            case "none":
                return by_hand(header, claims, lambda _: b"")
            case "HS256":
                # joserfc refuses to do that.
                public = self._key.as_pem(private=False)
                return by_hand(header, claims, lambda text: hmac.digest(public, text, "sha256"))
            case "foreign":
                other = RSAKey.generate_key(2048)
                return jwt.encode({**header, "alg": "RS256"}, claims, other)
        return jwt.encode(header, claims, self._key)

    def _userinfo(self, request: Request) -> Response:
        person = self._tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if person is None:
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse(self.conduct.userinfo(person))


def _fits(issued: Issued, form: Json) -> bool:
    """The redirect_uri is the same as before, and PKCE's verifier hashes to the challenge."""
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = encoded(digest)
    return (issued.redirect_uri, issued.challenge) == (form.get("redirect_uri"), challenge)


def by_hand(header: Json, claims: Json, sign: Callable[[bytes], bytes]) -> str:
    """A token as no library would write it."""
    parts = [encoded(json.dumps(each).encode()) for each in (header, claims)]
    return ".".join([*parts, encoded(sign(".".join(parts).encode()))])


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
