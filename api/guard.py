"""The guard before every route: whether the caller may, and what goes into the audit log."""

from copy import copy

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import asked, caller_of, resources_in
from api.errors import to_api_error
from api.roles import AccessRule, rule_of
from core.errors import RoleMissing
from services.access.authentication import DENIED

DONE_INSTEAD = "done_instead"
"""The name in `request.state` of what a request did, where that is not what its route is for: it only asked."""
CREATED = "created_id"
"""The name in `request.state` under which a route says what it has created, for the audit log."""


def install(app: FastAPI) -> None:
    """Put a guard before every route that is there. Raises LookupError for a route that declares no role."""
    app.router.routes[:] = [_guarded(route) for route in app.router.routes]


def _guarded(route: BaseRoute) -> BaseRoute:
    rule = rule_of(route)
    if rule.role is None or not isinstance(route, Route | WebSocketRoute):
        return route
    # A copy: the routers are the modules' own, and other applications in this process use the same routes.
    guarded = copy(route)
    guarded.app = Guard(route.app, rule)
    return guarded


class Guard:
    """Answers 403 to callers who have not the role of a route; notes in the audit log what belongs there."""

    def __init__(self, app: ASGIApp, rule: AccessRule) -> None:
        self.app = app
        self._rule = rule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        needed, action = self._rule
        if needed is not None and not caller_of(scope).role.includes(needed):
            return await self._refuse(needed, scope, receive, send)
        if action is None:
            return await self.app(scope, receive, send)
        return await self.app(scope, receive, _audited(scope, send, action))

    async def _refuse(self, needed: str, scope: Scope, receive: Receive, send: Send) -> None:
        entry = asked(scope)._replace(action=DENIED, outcome=f"needs {needed}")
        await resources_in(scope).access.audit.record(entry)
        await to_api_error(RoleMissing(needed)).response()(scope, receive, send)


def _audited(scope: Scope, send: Send, action: str) -> Send:
    """`send` that writes the audit entry before the answer begins: nobody is told of a deletion that is not noted."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            target = ",".join(scope.get("path_params", {}).values()) or scope["state"].get(CREATED, "")
            name = scope["state"].get(DONE_INSTEAD, action)
            entry = asked(scope)._replace(action=name, target=target, outcome=str(message["status"]))
            await resources_in(scope).access.audit.record(entry)
        await send(message)

    return sent
