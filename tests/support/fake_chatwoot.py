"""As much of Chatwoot's API as is written to: labels and messages of an account's conversations."""

from collections import defaultdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

TOKEN = "a token of the tests"
CONVERSATION = "/api/v1/accounts/3/conversations/{number:int}"


class FakeChatwoot:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.labels: defaultdict[int, list[str]] = defaultdict(list)
        self.messages: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
        self.gone: set[int] = set()
        self.loses: int = 0
        """Of so many posted messages the answer is lost, though they are stored."""
        self._app = Starlette(
            routes=[
                Route(f"{CONVERSATION}/labels", self._labels, methods=["GET", "POST"]),
                Route(f"{CONVERSATION}/messages", self._messages, methods=["GET", "POST"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def _labels(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        number = request.path_params["number"]
        if request.method == "POST":
            self.labels[number] = (await request.json())["labels"]
        return JSONResponse({"payload": self.labels[number]})

    async def _messages(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        messages = self.messages[request.path_params["number"]]
        if request.method == "GET":
            return JSONResponse({"meta": {}, "payload": messages[-20:]})
        messages.append({"id": len(messages) + 1, **await request.json()})
        if self.loses:
            self.loses -= 1
            return JSONResponse({"error": "lost"}, 500)
        return JSONResponse(messages[-1])

    def _refused(self, request: Request) -> Response | None:
        if request.headers.get("api_access_token") != TOKEN:
            return JSONResponse({"error": "You need to sign in"}, 401)
        if request.path_params["number"] in self.gone:
            return JSONResponse({"error": "Resource could not be found"}, 404)
        return None
