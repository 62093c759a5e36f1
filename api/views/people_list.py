"""Lists of people as clients see them."""

from typing import Any

from core.clock import iso
from domain.analysis import SCORE_UNIT
from store.insights.people_list import ListedPerson

PEOPLE_COLUMNS = ("id", "conversations", "negative", "mean", "topics", "last_seen", "open_cases")


def listed_person_view(listed: ListedPerson) -> dict[str, Any]:
    """A person with what they have in the window."""
    sums = listed.sums
    return {
        "id": listed.name,
        "conversations": sums.n,
        "negative": sums.negative,
        "mean": None if sums.mean is None else round(sums.mean) / SCORE_UNIT,
        "topics": list(listed.topics),
        "last_seen": iso(listed.last_seen),
        "open_cases": sums.open,
    }
