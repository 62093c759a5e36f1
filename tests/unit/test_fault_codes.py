"""Which SQLSTATE means that the database cannot serve just now."""

import pytest
from sqlalchemy.exc import DBAPIError

from store.engine.faults import Fault, database_fault


class Refused(Exception):
    """An error of the driver, with its code."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "fault"),
    [
        ("26000", Fault.UNAVAILABLE),
        ("42P05", Fault.UNAVAILABLE),
        ("25006", Fault.UNAVAILABLE),
        ("25P03", Fault.UNAVAILABLE),
        ("25P04", Fault.UNAVAILABLE),
        ("55000", Fault.UNAVAILABLE),
        ("08006", Fault.UNAVAILABLE),
        ("53100", Fault.STORAGE_FULL),
        ("42601", None),
        ("42P01", None),
        ("23505", None),
        ("25P02", None),
    ],
)
def test_a_lost_prepared_statement_passes_and_a_bug_of_ours_does_not(
    sqlstate: str, fault: Fault | None
) -> None:
    error = DBAPIError("SELECT 1", {}, Refused(sqlstate))

    assert database_fault(error) is fault
