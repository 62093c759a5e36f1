"""`/health`, `/healthz` and `/metrics`: for operators."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.dependencies import Resources, ResourcesDep
from core.clock import iso
from core.metrics import CONTENT_TYPE
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
    capacity, workers, gateway = resources.capacity, resources.workers, resources.gateway
    dead = [worker for worker in workers if not worker.running]
    deaths = [worker.last_death for worker in (*dead, *workers) if worker.last_death is not None]
    reasons = [
        *(() if capacity.database_ok else ("the database does not answer",)),
        *(f"the worker is being restarted after {worker.last_death}" for worker in dead),
        *(() if capacity.refusal_reason is None else (capacity.refusal_reason,)),
        *(() if gateway.blocked in (None, capacity.refusal_reason) else (gateway.blocked,)),
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
        "started_at": iso(resources.started_at),
    }


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """200 as long as the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/metrics", response_class=Response)
async def metrics(resources: ResourcesDep) -> Response:
    """Metrics in the text format of Prometheus."""
    resources.metrics.batch_size.set(resources.processor.batch_size)
    if resources.gateway.circuit is not None:
        resources.metrics.circuit_state.set(CIRCUIT_VALUE[resources.gateway.circuit])
    return Response(resources.metrics.render(), media_type=CONTENT_TYPE)
