"""Builds the gateway from the settings: to Grok, with Gemini as fallback if it has a key, or offline."""

import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog
from pydantic import HttpUrl, SecretStr

from core.clock import Clock
from core.extra_headers import parse_headers
from core.metrics import Metrics
from core.settings import Settings
from database import Database
from domain.analysis import Analyzer
from domain.examples import ToldExamples
from domain.fields.fieldsets import NO_FIELDS, FieldSet
from grok_client import GrokClient
from llm import prices
from llm.budget import Budget
from llm.fallback import Fallback
from llm.gateway import Gateway, OfflineGateway
from llm.hold import Hold
from llm.offline.analyzer import LanguageDetector, OfflineAnalyzer
from llm.offline.process import ChildProcess
from llm.paid_gateway import PaidGateway
from llm.prices import TICKS_PER_USD
from llm.thinking import thinking_of
from llm.ways_out import way_out

log = structlog.get_logger()

MAX_BACKOFF = 60.0
LANGUAGES_SECONDS = 10
"""How long an answer that has come waits for the languages of its texts at most; they take milliseconds."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A chat-completions server, as configured in the settings."""

    name: str
    base_url: HttpUrl
    api_key: SecretStr
    model: str
    reasoning_effort: str | None
    cost_per_1k: float | None
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def providers(settings: Settings) -> list[Provider]:
    """The configured providers in order of preference; none if the offline analyzer is used."""
    s = settings
    if s.grok_api_key is None or s.offline:
        return []
    headers = parse_headers(s.grok_extra_headers.get_secret_value() if s.grok_extra_headers else "")
    grok = Provider(
        "grok",
        s.grok_base_url,
        s.grok_api_key,
        s.grok_model,
        s.grok_reasoning_effort,
        s.grok_cost_per_1k,
        headers,
    )
    if s.gemini_api_key is None:
        return [grok]
    return [grok, Provider("gemini", s.gemini_base_url, s.gemini_api_key, s.gemini_model, None, None)]


def check_effort(provider: Provider) -> None:
    """Raise ValueError if the model is known to refuse the effort that is configured: each call would be a 400."""
    thinking, effort = thinking_of(provider.model), provider.reasoning_effort
    if not thinking.takes(effort):
        *others, last = thinking.efforts or ("no reasoning effort: unset it",)
        taken = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f"GROK_REASONING_EFFORT={effort}: {provider.model} takes {taken}")


def check_price(provider: Provider, *, has_budget: bool) -> None:
    """Raise ValueError if a budget depends on a price that is not known; without a budget log that it is not."""
    if provider.cost_per_1k is not None or prices.is_listed(provider.model):
        return
    if has_budget:
        way_out = " or GROK_COST_PER_1K" if provider.name == "grok" else ""
        raise ValueError(
            f"DAILY_BUDGET_USD with {provider.model}, whose price is not known, needs a listed model{way_out}"
        )
    log.warning(
        "price_unknown",
        model=provider.model,
        consequence="calls cost 0 unless the server says what they cost",
    )


@dataclass(frozen=True)
class GatewayFactory:
    """Opens gateways, which `stack` closes. They share the hold and the daily budget."""

    settings: Settings
    database: Database
    metrics: Metrics
    hold: Hold
    clock: Clock
    topics: Mapping[str, str]
    """What analyzers are told; it may change."""
    stack: AsyncExitStack
    examples: ToldExamples | None = None
    """Corrections that analyzers are told; they may change."""
    fields: FieldSet = NO_FIELDS
    """What analyzers are asked for besides."""

    async def open(self) -> Gateway:
        """Open the gateway for every call. Raises ValueError if the settings are inconsistent."""
        detector = LanguageDetector(
            await self.stack.enter_async_context(ChildProcess({}, timeout_seconds=LANGUAGES_SECONDS))
        )
        opened = [await self._paid_gateway(provider, detector) for provider in providers(self.settings)]
        match opened:
            case []:
                # Not entered: its child takes 0.1 s of CPU and 25 MB, and waits for the first text.
                self.stack.push_async_exit(analyzer := self._offline())
                return OfflineGateway(analyzer, self.hold)
            case [only]:
                return only
            case [first, second]:
                return Fallback(first, second)
        raise AssertionError("there are at most two providers")

    def _offline(self) -> OfflineAnalyzer:
        answered = {rule["name"] for rule in self.fields.rules}
        if left_open := [each.name for each in self.fields.fields if each.name not in answered]:
            log.warning(
                "fields_without_words",
                fields=", ".join(left_open),
                consequence="the offline analyzer answers them with null",
            )
        return OfflineAnalyzer(self.topics, fields=self.fields)

    async def _paid_gateway(self, provider: Provider, detector: LanguageDetector) -> PaidGateway:
        check_effort(provider)
        client = GrokClient(
            name=provider.name,
            base_url=str(provider.base_url),
            api_key=provider.api_key,
            model=provider.model,
            topics=self.topics,
            examples=self.examples,
            fields=self.fields,
            reasoning_effort=provider.reasoning_effort,
            max_reasoning_tokens=self.settings.max_reasoning_tokens,
            timeout=self.settings.grok_timeout_seconds,
            max_in_flight=self.settings.max_in_flight,
            extra_headers=provider.extra_headers,
        )
        await self.stack.enter_async_context(client)
        way = await way_out(provider.name, self.settings, self.database, self.hold, self.clock, self.stack)
        gateway = PaidGateway(
            client,
            way.pacer,
            way.breaker,
            self.hold,
            self._budget(provider, client),
            self.database,
            self.metrics,
            backoff(self.settings),
            detector.detect,
            way.knowledge,
        )
        self.stack.push_async_callback(gateway.close)
        return gateway

    def _budget(self, provider: Provider, analyzer: Analyzer) -> Budget:
        budget = self.settings.daily_budget_usd
        check_price(provider, has_budget=budget is not None)
        thinking = thinking_of(provider.model)
        is_unbounded = thinking.is_unbounded(provider.reasoning_effort)
        if budget is not None and is_unbounded and not self.settings.max_reasoning_tokens:
            raise ValueError(
                f"DAILY_BUDGET_USD with {provider.model}, which reasons beyond its output cap, "
                "needs MAX_REASONING_TOKENS"
            )
        return Budget(
            analyzer,
            self.clock,
            limit=None if budget is None else int(budget * TICKS_PER_USD),
            cost_per_1k=provider.cost_per_1k,
            reasoning_tokens=0 if thinking.is_capped else self.settings.max_reasoning_tokens,
        )


def backoff(
    settings: Settings, uniform: Callable[[float, float], float] = random.uniform
) -> Callable[[int], float]:
    """Seconds to wait after n faults in a row: BACKOFF_SECONDS x 2^n with full jitter, at most 60.

    Never longer than a cooldown: the canary then shows that the outage is over, and waiting on would be idle.
    """
    most = min(MAX_BACKOFF, settings.cooldown_seconds)
    # 2 to the 40th exceeds any bound; without the cap a long outage would overflow a float.
    return lambda faults: uniform(0, min(most, settings.backoff_seconds * 2 ** min(faults, 40)))
