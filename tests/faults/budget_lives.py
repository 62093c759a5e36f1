"""The day's budgets of the lives of a service, most of them too small, and the largest sum as the database notes it."""

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.support.databases import POSTGRESQL, SQLITE
from llm.prices import TICKS_PER_USD
from tests.faults.crash_moments import dice

BUDGET_USD = 1_000.0
"""Of a day, where the budget does not bind."""
ALLOWANCES_USD = 0.002, 0.01, 0.04
"""What a life may spend and reserve beyond what was there when it began, where the budget binds. One conversation is
booked at some 0.002, a request of ten at 0.01."""
ONE_BOOKED = TICKS_PER_USD // 500
"""Above what is reserved for one conversation."""


class Budgeted(NamedTuple):
    """The day's budget of a life: so much beyond what is used when it begins, in ticks; None where it does not bind."""

    beyond: int | None = None
    of_lane: bool = False
    """Whether that is for what can wait, which may use half of a day's budget."""

    def limit(self, used: int) -> int:
        """What the settings say."""
        if self.beyond is None:
            return int(BUDGET_USD * TICKS_PER_USD)
        return (used + self.beyond) * (2 if self.of_lane else 1)

    def binds_at(self, used: int) -> int:
        """What can be spent and reserved before something has to wait."""
        return self.limit(used) if self.beyond is None else used + self.beyond


def budgets(seed: int, kills: int) -> Iterator[Budgeted]:
    """Of the lives after each kill: a third does not bind, a third binds the lane, a third everything."""
    random = dice(seed, "budgets")
    for _ in range(kills):
        beyond = int(random.choice(ALLOWANCES_USD) * TICKS_PER_USD)
        yield random.choice((Budgeted(), Budgeted(beyond, of_lane=True), Budgeted(beyond)))


PEAKS = {
    SQLITE: (
        "CREATE TABLE spending_peaks (day INTEGER PRIMARY KEY, most INTEGER NOT NULL)",
        *(
            f"CREATE TRIGGER note_peak_{event} AFTER {event} ON spending BEGIN"  # noqa: S608  our own words
            " INSERT INTO spending_peaks VALUES (NEW.day, NEW.spent + NEW.reserved)"
            " ON CONFLICT (day) DO UPDATE SET most = max(most, excluded.most); END"
            for event in ("insert", "update")
        ),
    ),
    POSTGRESQL: (
        "CREATE TABLE spending_peaks (day integer PRIMARY KEY, most bigint NOT NULL)",
        "CREATE FUNCTION note_peak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO spending_peaks VALUES (NEW.day, NEW.spent + NEW.reserved)"
        " ON CONFLICT (day) DO UPDATE SET most = greatest(spending_peaks.most, excluded.most);"
        " RETURN NEW; END $$",
        "CREATE TRIGGER note_peak AFTER INSERT OR UPDATE ON spending"
        " FOR EACH ROW EXECUTE FUNCTION note_peak()",
    ),
}
"""By database: what has it note the largest sum of spent and reserved of each day, at every change."""
