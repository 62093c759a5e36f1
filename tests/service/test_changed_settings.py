"""A start with other settings is noted in the audit log, by the settings' names and without their values."""

from typing import Any

import pytest
from sqlalchemy.engine import URL

from tests.support.service import rows, running

FIRST, SECOND = "the first secret of the tests is this one", "the second secret of the tests is this one"


async def noted(database_url: URL, *starts: dict[str, Any]) -> list[str]:
    """What the audit log says after these starts."""
    for given in starts:
        async with running(database_url, **given):
            pass
    found = await rows(database_url, "SELECT target FROM audit_entries ORDER BY number")
    return [row.target for row in found]


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ([{}], []),
        ([{}, {}], []),
        ([{}, {"max_batch": 7}, {"max_batch": 7}], ["MAX_BATCH"]),
        ([{}, {"max_batch": 7, "gemini_model": "other"}, {}], ["GEMINI_MODEL,MAX_BATCH"] * 2),
        ([{"auth_secret": FIRST}, {"auth_secret": f"{SECOND},{FIRST}"}], ["AUTH_SECRET"]),
        (
            [{"auth_secret": FIRST}, {"auth_secret": f"{SECOND},{FIRST}", "max_batch": 7}],
            ["AUTH_SECRET,MAX_BATCH"],
        ),
        ([{}, {"auth_secret": FIRST}], ["AUTH_SECRET"]),
    ],
    ids=["first", "same", "changed", "back", "rotated", "rotated and changed", "first secret"],
)
async def test_a_change_is_noted_by_name(
    database_url: URL, starts: list[dict[str, Any]], expected: list[str]
) -> None:
    assert await noted(database_url, *starts) == expected


async def test_no_value_is_stored(database_url: URL) -> None:
    await noted(database_url, {"auth_secret": FIRST}, {"auth_secret": SECOND})

    stored = await rows(database_url, "SELECT * FROM seen_settings")
    assert FIRST not in str(stored)
    assert SECOND not in str(stored)
