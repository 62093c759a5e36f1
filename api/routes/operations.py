"""`/health`, `/healthz`, `/metrics`: for who runs the service."""

from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.dependencies import Owned, Resources
from core.clock import iso
from core.metrics import CONTENT_TYPE
from core.version import VERSION
from llm.circuit_breaker import CircuitState

router = APIRouter(tags=["operations"])

CIRCUIT_VALUE = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


class Health(BaseModel):
    """How the service is."""

    status: Literal["ok", "degraded", "unavailable"]
    reasons: list[str]
    queue_size: int
    summary_queue_size: int
    worker_running: bool
    worker_restarts: int
    worker_last_death: str | None
    db_ok: bool
    analyzer: str
    model: str
    circuit: Literal["closed", "open", "half_open"] | None
    oldest_queued_seconds: float
    drain_seconds: float | None
    started_at: str
    version: str


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


@router.get(
    "/health", response_model=Health, responses={503: {"model": Health, "description": "no database"}}
)
async def health(owned: Owned) -> Response:
    """200 while intake works, `degraded` where analysis cannot go on; 503 when the database is gone."""
    view = _health(owned)
    return JSONResponse(view, 200 if owned.capacity.database_ok else 503)


def _health(owned: Resources) -> dict[str, Any]:
    capacity, workers, gateway = owned.capacity, owned.workers, owned.gateway
    dead = [worker for worker in workers if not worker.running]
    deaths = [worker.last_death for worker in (*dead, *workers) if worker.last_death is not None]
    reasons = [
        *(() if capacity.database_ok else ("the database does not answer",)),
        *(f"the worker is being restarted after {worker.last_death}" for worker in dead),
        *(() if capacity.trouble is None else (capacity.trouble,)),
        *(() if gateway.blocked in (None, capacity.trouble) else (gateway.blocked,)),
    ]
    return {
        "status": "unavailable" if not capacity.database_ok else "degraded" if reasons else "ok",
        "reasons": reasons,
        "queue_size": capacity.depth,
        "summary_queue_size": capacity.summaries,
        "worker_running": not dead,
        "worker_restarts": sum(worker.restarts for worker in workers),
        "worker_last_death": next(iter(deaths), None),
        "db_ok": capacity.database_ok,
        "analyzer": gateway.current.analyzer.name,
        "model": gateway.current.analyzer.model,
        "circuit": None if gateway.circuit is None else gateway.circuit.value,
        "oldest_queued_seconds": round(capacity.oldest_seconds, 1),
        "drain_seconds": None if capacity.drain_seconds is None else round(capacity.drain_seconds, 1),
        "started_at": iso(owned.started_at),
        "version": VERSION,
    }


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """200 while the process answers at all."""
    return JSONResponse({"status": "ok"})


@router.get("/metrics", response_class=Response)
async def metrics(owned: Owned) -> Response:
    """Prometheus' text format."""
    owned.metrics.batch_size.set(owned.processor.batch_size)
    if owned.gateway.circuit is not None:
        owned.metrics.circuit_state.set(CIRCUIT_VALUE[owned.gateway.circuit])
    return Response(owned.metrics.render(), media_type=CONTENT_TYPE)
