"""Which role each call needs: the one table, which the guard, the API document and docs/SECURITY.md are made from.

A route that is not in it does not start.
"""

from collections.abc import Mapping
from typing import NamedTuple

from starlette.routing import BaseRoute

from domain.roles import Role


class AccessRule(NamedTuple):
    """What a call needs."""

    role: Role | None
    """None: everybody may make it, also where access is closed."""
    action: str | None = None
    """Its name in the audit log, if each of these calls goes there."""


PUBLIC = AccessRule(None)
READ, WRITE, ADMIN = AccessRule(Role.VIEWER), AccessRule(Role.AGENT), AccessRule(Role.ADMIN)
SOCKET = "websocket"
"""In place of a method."""

RULES: Mapping[tuple[str, str], AccessRule] = {
    ("post", "/api/v1/conversations"): WRITE,
    ("post", "/api/v1/conversations/bulk"): WRITE,
    # Signed by the help desk.
    ("post", "/api/v1/intake/{source}"): PUBLIC,
    ("get", "/api/v1/conversations"): READ,
    ("get", "/api/v1/conversations/{conversation_id}"): READ,
    ("post", "/api/v1/conversations/status"): READ,
    ("post", "/api/v1/conversations/retry"): AccessRule(Role.ADMIN, "conversation.retry"),
    ("post", "/api/v1/conversations/{conversation_id}/retry"): AccessRule(Role.ADMIN, "conversation.retry"),
    ("delete", "/api/v1/conversations/{conversation_id}"): AccessRule(Role.ADMIN, "conversation.delete"),
    ("post", "/api/v1/conversations/{conversation_id}/corrections"): AccessRule(
        Role.AGENT, "conversation.correct"
    ),
    ("delete", "/api/v1/conversations/{conversation_id}/corrections"): AccessRule(
        Role.AGENT, "conversation.correct"
    ),
    ("get", "/api/v1/insights"): READ,
    ("get", "/api/v1/insights/recent"): READ,
    ("get", "/api/v1/trends"): READ,
    ("get", "/api/v1/fields"): READ,
    ("get", "/api/v1/quality"): READ,
    # It draws what is to be checked.
    ("get", "/api/v1/quality/sample"): WRITE,
    ("get", "/api/v1/topics"): READ,
    ("get", "/api/v1/explain"): READ,
    ("post", "/chats"): WRITE,
    ("get", "/chats"): READ,
    ("get", "/users/{user_id:path}/chats"): READ,
    ("get", "/chats/{conversation_id}"): READ,
    ("delete", "/chats/{conversation_id}"): AccessRule(Role.ADMIN, "conversation.delete"),
    ("post", "/chats/summarize"): WRITE,
    ("post", "/chats/insights"): WRITE,
    ("get", "/chats/{conversation_id}/summary"): READ,
    ("get", "/chats/{conversation_id}/insights"): READ,
    (SOCKET, "/ws/chats/{conversation_id}"): READ,
    ("get", "/api/v1/topics/all"): READ,
    ("post", "/api/v1/topics/merge"): AccessRule(Role.AGENT, "topic.merge"),
    ("post", "/api/v1/topics/undo"): AccessRule(Role.AGENT, "topic.undo"),
    ("patch", "/api/v1/topics/{topic_id}"): AccessRule(Role.AGENT, "topic.change"),
    ("post", "/api/v1/topics/{topic_id}/split"): AccessRule(Role.AGENT, "topic.split"),
    ("get", "/api/v1/topics/changes"): READ,
    ("get", "/api/v1/topics/{topic_id}/history"): READ,
    ("post", "/api/v1/topics/discover"): AccessRule(Role.AGENT, "topic.discover"),
    ("get", "/api/v1/topics/proposals"): READ,
    ("get", "/api/v1/topics/proposals/{proposal_id}"): READ,
    ("post", "/api/v1/topics/proposals/{proposal_id}/accept"): AccessRule(Role.AGENT, "proposal.accept"),
    ("post", "/api/v1/topics/proposals/{proposal_id}/reject"): AccessRule(Role.AGENT, "proposal.reject"),
    ("post", "/api/v1/reanalysis"): AccessRule(Role.ADMIN, "reanalysis.begin"),
    ("get", "/api/v1/reanalysis/{job_id}"): READ,
    ("get", "/api/v1/batches"): READ,
    ("post", "/api/v1/batches/{batch_id}/cancel"): AccessRule(Role.ADMIN, "batch.cancel"),
    ("get", "/api/v1/jobs"): READ,
    ("get", "/api/v1/jobs/{job_id}"): READ,
    ("post", "/api/v1/jobs/{job_id}/cancel"): AccessRule(Role.AGENT, "job.cancel"),
    ("post", "/api/v1/jobs/{job_id}/pause"): AccessRule(Role.AGENT, "job.pause"),
    ("post", "/api/v1/jobs/{job_id}/resume"): AccessRule(Role.AGENT, "job.resume"),
    ("get", "/api/v1/spending"): READ,
    ("get", "/api/v1/spending/estimate"): READ,
    ("post", "/api/v1/analysis/pause"): AccessRule(Role.ADMIN, "analysis.pause"),
    ("post", "/api/v1/analysis/resume"): AccessRule(Role.ADMIN, "analysis.resume"),
    ("post", "/api/v1/keys"): ADMIN,
    ("get", "/api/v1/keys"): ADMIN,
    ("delete", "/api/v1/keys/{key_id}"): ADMIN,
    ("get", "/api/v1/accounts"): ADMIN,
    ("patch", "/api/v1/accounts/{account_id}"): ADMIN,
    ("delete", "/api/v1/accounts/{account_id}"): ADMIN,
    ("get", "/api/v1/audit"): ADMIN,
    ("post", "/api/v1/alerts"): AccessRule(Role.ADMIN, "alert.create"),
    ("get", "/api/v1/alerts"): READ,
    ("get", "/api/v1/alerts/{alert_id}"): READ,
    ("patch", "/api/v1/alerts/{alert_id}"): AccessRule(Role.ADMIN, "alert.change"),
    ("delete", "/api/v1/alerts/{alert_id}"): AccessRule(Role.ADMIN, "alert.delete"),
    ("get", "/api/v1/people"): READ,
    ("get", "/api/v1/facets"): READ,
    ("get", "/api/v1/summaries"): READ,
    ("post", "/api/v1/summaries"): AccessRule(Role.AGENT, "summary.bulk"),
    # These write their own entries, because a new webhook has its id only afterwards.
    ("post", "/api/v1/webhooks"): ADMIN,
    ("get", "/api/v1/webhooks"): ADMIN,
    ("get", "/api/v1/webhooks/{webhook_id}"): ADMIN,
    ("patch", "/api/v1/webhooks/{webhook_id}"): ADMIN,
    ("delete", "/api/v1/webhooks/{webhook_id}"): ADMIN,
    ("get", "/api/v1/webhooks/{webhook_id}/deliveries"): ADMIN,
    ("post", "/api/v1/webhooks/{webhook_id}/deliveries/{event_id}/resend"): ADMIN,
    # They write their own entries, because the path names the person.
    ("delete", "/api/v1/people/{user_id:path}"): ADMIN,
    ("get", "/api/v1/people/{user_id:path}/export"): ADMIN,
    ("get", "/auth/me"): READ,
    ("post", "/auth/token"): READ,
    ("post", "/auth/ticket"): READ,
    ("post", "/auth/logout"): READ,
    ("get", "/auth/login"): PUBLIC,
    ("get", "/auth/login/{provider}"): PUBLIC,
    ("get", "/auth/callback/{provider}"): PUBLIC,
    ("get", "/health"): READ,
    ("get", "/metrics"): READ,
    ("get", "/healthz"): PUBLIC,
    ("get", "/"): PUBLIC,
    ("get", "/docs"): PUBLIC,
    ("get", "/docs/{name}"): PUBLIC,
    ("get", "/openapi.json"): PUBLIC,
}
"""By method in lower case and path as the route has it."""


def rule_of(route: BaseRoute) -> AccessRule:
    """The rule of a route. Raises LookupError, with the way out, if it has none or its methods have different ones."""
    path = getattr(route, "path", "")
    methods = {method.lower() for method in getattr(route, "methods", None) or {SOCKET}} - {"head"}
    found = {RULES.get((method, path)) for method in methods}
    rule = found.pop() if len(found) == 1 else None
    if rule is None:
        raise LookupError(
            f"{' '.join(sorted(methods))} {path} declares no role: add it to RULES in api/roles.py"
        )
    return rule
