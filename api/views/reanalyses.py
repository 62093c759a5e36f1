"""Re-analyses as clients see them."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from api.views.jobs import job_view
from api.views.quality import PLACES
from llm.prices import TICKS_PER_USD
from models import JOB_STATUSES
from services.reanalyses import ReanalysisPrice
from store.reanalysis.runs import Reanalysis

Json = dict[str, Any]
OPEN = frozenset(JOB_STATUSES[:3])
"""Of a job that goes on."""


def price_view(price: ReanalysisPrice, analyzer: str, model: str) -> Json:
    """What a re-analysis would cost."""
    usd = price.ticks / TICKS_PER_USD if price.is_known else None
    each = None if usd is None else usd / price.conversations if price.conversations else 0.0
    return {
        "conversations": price.conversations,
        "free": price.free,
        "calls": price.calls,
        "usd": None if usd is None else round(usd, 6),
        "usd_per_conversation": None if each is None else round(each, 6),
        "seconds": price.seconds,
        "analyzer": analyzer,
        "model": model,
        "based_on": _based_on(price),
    }


def _based_on(price: ReanalysisPrice) -> str:
    if not price.is_known:
        return "nothing: the price of the model is not known"
    if price.calls == 0:
        return "no call is needed"
    texts = "the texts" if price.is_exact else "some of the texts"
    price_list = "xAI's list price of batches" if price.in_batch else "the list price"
    return f"{price_list} and {texts}, without reasoning"


def reanalysis_view(row: Row[Any], run: Reanalysis) -> Json:
    """A re-analysis; `row` is its job. What was reserved is lost once the job has ended."""
    lost = 0 if row.status in OPEN else run.reserved_ticks
    return {
        "job": job_view(row),
        **{name: getattr(run, name) for name in ("changed", "unchanged", "dropped", "failed")},
        "max_usd": None if run.cap_ticks is None else run.cap_ticks / TICKS_PER_USD,
        "lost_usd": lost / TICKS_PER_USD,
        "sample": _sample_view(row),
    }


def _sample_view(row: Row[Any]) -> Json | None:
    compared: Mapping[str, Any] | None = json.loads(row.state or "{}").get("comparison")
    if compared is None:
        return None
    names, shift = ("before", "after", "conversations"), compared["shift"]
    return {
        "compared": compared["compared"],
        "population": json.loads(row.parameters)["population"],
        "sentiments": [dict(zip(names, each, strict=True)) for each in compared["table"]],
        "topics": compared["topics"],
        "shift": shift and {name: round(value, PLACES) for name, value in shift.items()},
    }
