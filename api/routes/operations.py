"""`/health`, `/healthz`, `/metrics`: for who runs the service."""

from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.dependencies import Owned, Resources
from core.clock import iso
from core.metrics import CONTENT_TYPE
from llm.circuit_breaker import State

router = APIRouter(tags=["operations"])

CIRCUIT_VALUE = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


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


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


@router.get(
    "/health", response_model=Health, responses={503: {"model": Health, "description": "no database"}}
)
async def health(owned: Owned) -> Response:
    """200 while intake works, `degraded` where analysis cannot go on; 503 when the database is gone."""
    view = _health(owned)
    return JSONResponse(view, 200 if owned.monitor.database_ok else 503)


def _health(owned: Resources) -> dict[str, Any]:
    monitor, workers, gate = owned.monitor, owned.workers, owned.gate
    dead = [worker for worker in workers if not worker.running]
    deaths = [worker.last_death for worker in (*dead, *workers) if worker.last_death is not None]
    reasons = [
        *(() if monitor.database_ok else ("the database does not answer",)),
        *(f"the worker is being restarted after {worker.last_death}" for worker in dead),
        *(() if monitor.trouble is None else (monitor.trouble,)),
        *(() if gate.blocked in (None, monitor.trouble) else (gate.blocked,)),
    ]
    return {
        "status": "unavailable" if not monitor.database_ok else "degraded" if reasons else "ok",
        "reasons": reasons,
        "queue_size": monitor.depth,
        "summary_queue_size": monitor.summaries,
        "worker_running": not dead,
        "worker_restarts": sum(worker.restarts for worker in workers),
        "worker_last_death": next(iter(deaths), None),
        "db_ok": monitor.database_ok,
        "analyzer": gate.current.analyzer.name,
        "model": gate.current.analyzer.model,
        "circuit": None if gate.circuit is None else gate.circuit.value,
        "oldest_queued_seconds": round(monitor.oldest_seconds, 1),
        "drain_seconds": None if monitor.drain_seconds is None else round(monitor.drain_seconds, 1),
        "started_at": iso(owned.started_at),
    }


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """200 while the process answers at all."""
    return JSONResponse({"status": "ok"})


@router.get("/metrics", response_class=Response)
async def metrics(owned: Owned) -> Response:
    """Prometheus' text format."""
    owned.metrics.batch_size.set(owned.processor.batch_size)
    if owned.gate.circuit is not None:
        owned.metrics.circuit_state.set(CIRCUIT_VALUE[owned.gate.circuit])
    return Response(owned.metrics.render(), media_type=CONTENT_TYPE)
