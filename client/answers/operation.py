"""What the service says of itself, and of what it spends."""

from typing import Literal

from pydantic import AwareDatetime

from .base import Answer


class Alive(Answer):
    """The process answers."""

    status: Literal["ok"]


class Offer(Answer):
    """How many conversations were analysed offline, and about what an analyzer would take for them, in dollars."""

    conversations: int
    analyzer: str
    model: str
    usd: float | None


class BatchLane(Answer):
    """What there is in the lane of batches at the provider."""

    is_open: bool
    reason: str | None
    tried_again_at: AwareDatetime | None = None
    waiting: int
    batches: int
    requests: int
    answered: int
    ends_at: AwareDatetime | None


class ProviderBatch(Answer):
    """A batch at the provider."""

    id: str
    stage: str
    model: str
    requests: int
    answered: int
    conversations: int
    stored: int
    dropped: int
    usd: float
    cancelled_by: str | None
    error: str | None
    created_at: AwareDatetime
    deadline: AwareDatetime
    kept_until: AwareDatetime
    ended_at: AwareDatetime | None


class ProviderBatches(Answer):
    """Batches at the provider, the newest first."""

    batches: list[ProviderBatch]


class Health(Answer):
    """How the service is: `ok`, `degraded` with reasons, or `unavailable` without its database."""

    status: str
    reasons: list[str]
    queue_size: int
    summary_queue_size: int
    role: str = "all"
    worker_running: bool
    workers_alive: int = 1
    worker_restarts: int = 0
    worker_last_death: str | None = None
    db_ok: bool
    analyzer: str
    model: str
    circuit: str | None
    oldest_queued_seconds: float
    drain_seconds: float | None
    notifications: str | None = None
    resumes_at: AwareDatetime | None = None
    replica_lag_seconds: float | None = None
    webhooks_pending: int = 0
    webhooks_oldest_seconds: float = 0
    webhooks_disabled: int = 0
    batch_lane: BatchLane | None = None
    offer: Offer | None = None
    started_at: AwareDatetime
    version: str | None = None


class Saved(Answer):
    """Dollars that were not spent, estimated."""

    cache_usd: float
    prefilter_usd: float
    packing_usd: float


class Spent(Answer):
    """Calls, tokens and dollars of some time; `reserved_usd` is what calls without an answer hold."""

    calls: int
    unpriced_calls: int = 0
    summary_calls: int
    batch_calls: int = 0
    analysed: int
    cached: int
    skipped: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    usd: float
    reserved_usd: float
    summary_usd: float
    batch_usd: float = 0
    saved: Saved


class SpendingDay(Spent):
    """A UTC day, `YYYY-MM-DD`."""

    date: str


class Budget(Answer):
    """What may be spent in a UTC day, None without a limit."""

    daily_usd: float | None
    left_today_usd: float | None


class Spending(Answer):
    """The newest day first; days on which nothing happened are left out."""

    days: list[SpendingDay]
    total: Spent
    budget: Budget


class Estimate(Answer):
    """What the present queue will cost and how long it will take."""

    queue_size: int
    batched: int = 0
    calls: int
    usd: float
    seconds: float | None
    resumes_at: AwareDatetime | None = None
    usd_per_conversation: float
    based_on: str


class Me(Answer):
    """Who the caller is to the service, and how it is known: `none` while the service is open."""

    actor: str
    name: str
    role: Literal["viewer", "agent", "admin"]
    means: Literal["none", "key", "token", "session", "ticket"]


class Switch(Answer):
    """Whether analysis is paused."""

    paused: bool
