"""GitHub's shape: OAuth without OpenID Connect, errors with status 200, forms unless JSON is asked for, an API."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

CLIENT_ID, CLIENT_SECRET = "Iv1.of-tests", "swordfish-of-github"
Json = dict[str, Any]


class FakeGitHub:
    """One client, one person at a time. `url` is where it is; its API is under `/api/v3`, as an Enterprise Server's."""

    def __init__(self) -> None:
        self.url = ""
        self.redirect_uris: set[str] = set()
        self.person: Json = {"id": 583231, "login": "ada", "email": None}
        self.emails: list[Json] = [
            {"email": "old@example.com", "primary": False, "verified": True},
            {"email": "ada@example.com", "primary": True, "verified": True},
        ]
        self.may_read_emails = True
        self._codes: dict[str, tuple[str, str]] = {}
        self._tokens: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        match request.url.path:
            case "/login/oauth/authorize":
                return self._authorize(dict(request.query_params))
            case "/login/oauth/access_token":
                return await self._token(request)
            case "/api/v3/user":
                return self._shown(request, self.person)
            case "/api/v3/user/emails" if not self.may_read_emails:
                return JSONResponse({"message": "Resource not accessible by integration"}, 403)
            case "/api/v3/user/emails":
                return self._shown(request, self.emails)
        return PlainTextResponse("no such page", 404)

    def _authorize(self, asked: dict[str, str]) -> Response:
        if asked.get("client_id") != CLIENT_ID or asked.get("redirect_uri") not in self.redirect_uris:
            return PlainTextResponse("unknown client or redirect_uri", 404)
        assert "user:email" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = (asked["redirect_uri"], asked["code_challenge"])
        return RedirectResponse(
            f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302
        )

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        answer: Json = {"error": "incorrect_client_credentials"}
        if (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET):
            answer = self._exchanged(form)
        if request.headers.get("accept") == "application/json":
            return JSONResponse(answer)
        return Response(urlencode(answer), media_type="application/x-www-form-urlencoded")

    def _exchanged(self, form: Json) -> Json:
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if self._codes.pop(form.get("code", ""), None) != (form.get("redirect_uri"), challenge):
            return {
                "error": "bad_verification_code",
                "error_description": "The code is incorrect or expired.",
            }
        token = f"gho_{len(self._tokens)}"
        self._tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "scope": "read:user,user:email"}

    def _shown(self, request: Request, found: object) -> Response:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return JSONResponse({"message": "Bad credentials"}, 401)
        return JSONResponse(found)
