"""The offer to have analysed by Grok what was analysed offline: how many conversations these are, and the price."""

import asyncio
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from llm.forecast import PricedAnalyzer
from llm.offline.analyzer import OfflineAnalyzer
from llm.prices import TICKS_PER_USD
from services.reanalyses import Reanalyses
from store.insights.makers import count_made_by
from store.reanalysis.choice import ALWAYS, ReanalysisChoice

log = structlog.get_logger()
OFFLINE = OfflineAnalyzer.name
EVERY_SECONDS = 2.0
GROWTH = 1.1
"""How many times more there have to be until their price is looked up again; until then it grows with their number."""


@dataclass(frozen=True, slots=True)
class Offer:
    """So many conversations were analysed offline, and an analyzer would take about so many dollars for them."""

    conversations: int
    analyzer: str
    model: str
    usd: float | None
    """None if the price of the model is not known."""


@dataclass
class CurrentOffer:
    """What is offered now; None if nothing is."""

    found: Offer | None = None


@dataclass
class Offering:
    """Keeps an offer as the database has it. `by` would analyse; it is `at_work` once its key is set."""

    reanalyses: Reanalyses
    by: PricedAnalyzer
    at_work: bool
    current: CurrentOffer
    _priced: Offer | None = None

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                log.info("offer_not_read", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Read how many there are, and now and then what they would cost. Raises SQLAlchemyError."""
        number = await self.reanalyses.database.read(_count)
        priced = self._priced
        if number and (
            priced is None or not priced.conversations / GROWTH < number < priced.conversations * GROWTH
        ):
            priced = await self._price(number)
        self.current.found = None if not number or priced is None else _scaled(priced, number)

    async def _price(self, number: int) -> Offer:
        is_first, choice = self._priced is None, ReanalysisChoice(*ALWAYS, analyzer=OFFLINE)
        price = await self.reanalyses.price_with(self.by, choice)
        usd = price.ticks / TICKS_PER_USD if price.is_known else None
        self._priced = Offer(max(1, price.conversations), self.by.name, self.by.model, usd)
        if is_first and self.at_work:
            what = (
                f"{number:,} conversations were analysed offline; {self.by.name} would cost {_dollars(usd)}"
            )
            log.info(
                "analysed_offline", offer=what, call="POST /api/v1/reanalysis", **{"filter.analyzer": OFFLINE}
            )
        return self._priced


def _count(connection: Connection) -> int:
    return count_made_by(connection, OFFLINE)


def _scaled(priced: Offer, number: int) -> Offer:
    usd = None if priced.usd is None else round(priced.usd * number / priced.conversations, 6)
    return replace(priced, conversations=number, usd=usd)


def _dollars(usd: float | None) -> str:
    return "an unknown price" if usd is None else f"${usd:.2f}"
