"""The application: routes, middleware, and the lifespan that owns the resources they use."""

from fastapi import FastAPI

from api import errors, guard, middleware, paths
from api.dependencies import Start
from api.lifespan import lifespan
from api.openapi import InsightsApp, method_not_allowed
from api.routes import (
    accounts,
    alerts,
    audit,
    auth,
    batches,
    bulk_summaries,
    cases,
    chats,
    comparisons,
    conversations,
    corrections,
    discovery,
    docs,
    fields,
    helpdesks,
    insights,
    intake,
    jobs,
    keys,
    login,
    operations,
    people,
    people_list,
    quality,
    reanalyses,
    sockets,
    spending,
    summaries,
    topics,
    webhooks,
)
from core.clock import Clock
from core.metrics import Metrics
from core.settings import Settings
from core.version import VERSION
from rate_limiter import InboundLimiter
from services.watcher import TICK

MODULES = (
    intake,
    insights,
    comparisons,
    topics,
    cases,
    bulk_summaries,
    reanalyses,
    conversations,
    corrections,
    chats,
    summaries,
    spending,
    discovery,
    jobs,
    batches,
    operations,
    sockets,
    keys,
    accounts,
    audit,
    webhooks,
    helpdesks,
    alerts,
    people,
    people_list,
    quality,
    fields,
    auth,
    login,
    docs,
)
"""The busy routes come first, because a request tries one after the other. `include_router` would match each twice: 4 %
of a post's CPU, and 0.1 ms for twenty routes."""

ONLY_WORKS = "This process has ROLE=worker: it serves /healthz, /health and /metrics, and nothing else"


def create_app(
    settings: Settings, clock: Clock | None = None, *, while_plain: bool = False, tick: float = TICK
) -> FastAPI:
    """The application; it holds no resource before its lifespan starts.

    `clock` gives UTC microseconds. By default it is the process's, or the PostgreSQL server's where there is one.
    `while_plain` serves a database with a key although what it holds is not encrypted yet. `tick` is how many
    seconds pass between two looks at what other processes did, of which it is not told.
    """
    metrics = Metrics()
    limiter = InboundLimiter(settings.inbound_rps, settings.rate_limit, settings.rate_window)
    app = InsightsApp(
        title="Insights Platform",
        version=VERSION,
        description="Stores support conversations, analyses them with Grok, and serves the insights.",
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lambda _: lifespan(settings, metrics, limiter, Start(clock, while_plain, tick)),
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.auth_required = settings.auth_required
    errors.install(app)
    app.add_exception_handler(405, method_not_allowed)
    middleware.install(
        app, metrics, limiter, origins=settings.cors_origins, auth_required=settings.auth_required
    )
    paths.install(app, settings.root_path)
    modules, elsewhere = (MODULES, None) if settings.role.serves else ((operations,), ONLY_WORKS)
    app.router.default = paths.nowhere(app.router.default, elsewhere)
    app.router.routes[:0] = [route for module in modules for route in module.router.routes]
    guard.install(app)
    return app
