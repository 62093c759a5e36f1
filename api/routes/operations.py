"""`/health`, `/healthz` and `/metrics`: for operators."""

import math
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.dependencies import Resources, ResourcesDep
from core.clock import iso
from core.metrics import CONTENT_TYPE
from core.version import VERSION
from llm.circuit_breaker import CircuitState
from schemas import Alive, Health

router = APIRouter(tags=["operations"])

CIRCUIT_VALUE = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


@router.get(
    "/health", response_model=Health, responses={503: {"model": Health, "description": "no database"}}
)
async def health(resources: ResourcesDep) -> Response:
    """200 while intake works, `degraded` if analysis cannot proceed; 503 if the database does not answer."""
    view = _health(resources)
    return JSONResponse(view, 200 if resources.capacity.database_ok else 503)


def _health(resources: Resources) -> dict[str, Any]:
    capacity, gateway = resources.capacity, resources.gateway
    reasons = resources.conditions.reasons()
    return {
        "status": "unavailable" if not capacity.database_ok else "degraded" if reasons else "ok",
        "reasons": reasons,
        "role": resources.settings.role.value,
        "queue_size": capacity.depth,
        "summary_queue_size": capacity.summaries,
        **_workers(resources),
        "db_ok": capacity.database_ok,
        "oldest_queued_seconds": round(capacity.oldest_seconds, 1),
        "drain_seconds": None if capacity.drain_seconds is None else round(capacity.drain_seconds, 1),
        "notifications": resources.notifications.state,
        "resumes_at": None if (at := gateway.hold.resumes_at) is None else iso(at),
        **_replica_lag(resources),
        **_webhooks(resources),
        "batch_lane": _lane(resources),
        "offer": None if (offer := resources.offer.found) is None else asdict(offer),
        "started_at": iso(resources.started_at),
        "version": VERSION,
    }


def _workers(resources: Resources) -> dict[str, Any]:
    """Who analyses: this process, or for an `api` process the workers, as they last said of themselves."""
    gateway, workforce = resources.gateway, resources.workforce
    dead = [worker for worker in workforce.own if not worker.running]
    deaths = [worker.last_death for worker in (*dead, *workforce.own) if worker.last_death is not None]
    own = {
        "worker_restarts": sum(worker.restarts for worker in workforce.own),
        "worker_last_death": next(iter(deaths), None),
        "analyzer": gateway.current.analyzer.name,
        "model": gateway.current.analyzer.model,
        "circuit": None if gateway.circuit is None else gateway.circuit.value,
    }
    return {"worker_running": workforce.is_running, "workers_alive": workforce.alive} | workforce.said(own)


def _replica_lag(resources: Resources) -> dict[str, float | None]:
    replica = resources.database.replica
    if replica is None:
        return {}
    return {"replica_lag_seconds": None if replica.lag is None else round(replica.lag, 3)}


def _webhooks(resources: Resources) -> dict[str, Any]:
    figures = resources.delivery_figures
    return {
        "webhooks_pending": figures.found.pending,
        "webhooks_oldest_seconds": round(figures.oldest_seconds, 1),
        "webhooks_disabled": figures.found.disabled,
    }


def _lane(resources: Resources) -> dict[str, Any]:
    found, gate = resources.lane.found, resources.lane.gate
    reason, again_at = gate.standstill, gate.tried_again_at
    counts = {name: getattr(found, name) for name in ("waiting", "batches", "requests", "answered")}
    ends_at = None if found.ends_at is None else iso(found.ends_at)
    tried_again_at = None if again_at is None else iso(again_at)
    why = {"is_open": reason is None, "reason": reason, "tried_again_at": tried_again_at}
    return {**why, **counts, "ends_at": ends_at}


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """200 as long as the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/metrics", response_class=Response)
async def metrics(resources: ResourcesDep) -> Response:
    """Metrics in the text format of Prometheus."""
    _measure(resources)
    return Response(resources.metrics.render(), media_type=CONTENT_TYPE)


def _measure(resources: Resources) -> None:
    """Set what is known without counting, from the same figures as `/health`."""
    found = resources.metrics
    resources.conditions.look()
    found.batch_size.set(resources.processor.batch_size)
    if resources.gateway.circuit is not None:
        found.circuit_state.set(CIRCUIT_VALUE[resources.gateway.circuit])
    resources.capacity.show()
    found.queue_limit.set(resources.settings.max_queue_depth)
    found.paused.set(resources.gateway.hold.paused)
    daily = resources.settings.daily_budget_usd
    found.budget_limit.set(math.inf if daily is None else daily)
