"""The application: every route, every middleware, and the lifespan that owns what they use."""

from fastapi import FastAPI

from api import errors, middleware
from api.lifespan import lifespan
from api.openapi import Documented, method_not_allowed
from api.routes import chats, conversations, insights, intake, operations, sockets, spending, summaries
from core.clock import Clock
from core.metrics import Metrics
from core.settings import Settings
from rate_limiter import InboundLimiter


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The application; it holds no resource before its lifespan starts.

    `clock` gives UTC microseconds. By default it is the process's, or the PostgreSQL server's where there is one.
    """
    metrics = Metrics()
    limiter = InboundLimiter(settings.inbound_rps, settings.rate_limit, settings.rate_window)
    app = Documented(
        title="Insights Platform",
        version="0.1.0",
        description="Takes in support conversations, has Grok analyse them, serves what it found.",
        lifespan=lambda _: lifespan(settings, metrics, limiter, clock),
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    errors.install(app)
    app.add_exception_handler(405, method_not_allowed)
    middleware.install(app, metrics, limiter)
    # Those that have to be fast first, because a request tries route after route, and not by include_router, which
    # matches each twice: together 4 % of a post's CPU, and of twenty routes 0.1 ms.
    ours = (intake, insights, conversations, chats, summaries, spending, operations, sockets)
    app.router.routes[:0] = [route for each in ours for route in each.router.routes]
    return app
