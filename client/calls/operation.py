"""Calls about the service itself, and about what it spends."""

from ..answers import Alive, Estimate, Health, Me, ProviderBatch, ProviderBatches, Spending, Switch
from ..wire import Call
from .building import getting, path_to, reader


def alive() -> Call[Alive]:
    """Whether the process answers."""
    return getting("/healthz", reader(Alive))


def me() -> Call[Me]:
    """Who the caller is to the service, and what they may do."""
    return getting("/auth/me", reader(Me))


def health() -> Call[Health]:
    """How the service is; `unavailable` is an answer too."""
    return Call("GET", "/health", reader(Health), accepts=frozenset({503}))


def metrics() -> Call[str]:
    """All metrics in Prometheus' text format."""
    return getting("/metrics", bytes.decode)


def spending(*, days: int = 7) -> Call[Spending]:
    """Calls, tokens and dollars of the last 1 to 365 UTC days, and what was saved."""
    return getting("/api/v1/spending", reader(Spending), {"days": days})


def estimate() -> Call[Estimate]:
    """What the present queue will cost and how long it will take."""
    return getting("/api/v1/spending/estimate", reader(Estimate))


def pause_analysis() -> Call[Switch]:
    """Hold analysis, over a restart too; intake goes on."""
    return Call("POST", "/api/v1/analysis/pause", reader(Switch))


def resume_analysis() -> Call[Switch]:
    """Go on with analysis."""
    return Call("POST", "/api/v1/analysis/resume", reader(Switch))


def batches() -> Call[ProviderBatches]:
    """The hundred newest batches at the provider."""
    return getting("/api/v1/batches", reader(ProviderBatches))


def cancel_batch(id_: str) -> Call[ProviderBatch]:
    """Cancel a batch at the provider: what it has not been answered goes live. Raises NotFound and Conflict."""
    return Call("POST", f"{path_to('/api/v1/batches', id_)}/cancel", reader(ProviderBatch))
