"""Opens the way to batches at the provider, where there is one."""

from contextlib import AsyncExitStack
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from core.settings import Settings
from database import Database
from grok_client import GrokClient
from llm.batches.client import XaiBatches
from llm.fallback import Fallback
from llm.gateway import Gateway
from llm.paid_gateway import PaidGateway
from llm.prices import has_batch_price
from llm.provider import providers
from llm.transport import is_loopback
from store.queue import batches
from store.queue.clock import ProcessClock
from worker.lane.gate import LaneGate
from worker.lane.tools import before_send_by

OFF = "BATCH_LANE is off"
HOST = "x.ai"


class OpenLane(NamedTuple):
    """The gate of the lane, and what its batches are asked by; None where no provider takes batches."""

    gate: LaneGate
    client: XaiBatches | None = None
    gateway: PaidGateway | None = None
    analyzer: GrokClient | None = None


async def open_lane(
    settings: Settings, db: Database, gateway: Gateway, clock: ProcessClock, stack: AsyncExitStack
) -> OpenLane:
    """The lane, closed by `stack`. With BATCH_LANE=off it is only there to end what is under way."""
    first = gateway.first if isinstance(gateway, Fallback) else gateway
    if not isinstance(first, PaidGateway) or not isinstance(first.analyzer, GrokClient):
        return OpenLane(LaneGate(clock, "the offline analyzer needs none"))
    grok, *_ = providers(settings)
    host = urlsplit(str(grok.base_url)).hostname or ""
    if host != HOST and not host.endswith(f".{HOST}") and not is_loopback(host):
        return OpenLane(LaneGate(clock, "GROK_BASE_URL is not xAI's"))
    client = XaiBatches(
        base_url=str(grok.base_url),
        api_key=grok.api_key,
        before_send=before_send_by(first),
        timeout=settings.grok_timeout_seconds,
        extra_headers=grok.extra_headers,
    )
    await stack.enter_async_context(client)
    if settings.batch_lane == "off" and settings.role.works:
        await db.write(partial(batches.cancel_all, by="BATCH_LANE", now=clock()))
    return OpenLane(LaneGate(clock, _refusal(settings, grok.model)), client, first, first.analyzer)


def _refusal(settings: Settings, model: str) -> str | None:
    if settings.batch_lane == "off":
        return OFF
    return None if has_batch_price(model) else f"{model} is not taken in batches"
