"""Fields of one's own in a real browser: an answer is corrected on the conversation's page, and counts."""

import re
from collections.abc import Iterator

import pytest

from benchmarks.support import databases
from benchmarks.support.serving import Served
from client import Client
from tests.dashboard.browsing import Visit, dashboard, until
from tests.support.field_data import FILE
from tests.support.service import serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("fields")
    (folder / "fields.yaml").write_text(FILE)
    with serving(databases.sqlite(folder), None, fields_file=folder / "fields.yaml") as server:
        yield server


@pytest.fixture(scope="module")
def url(service: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dashboard(service.url, tmp_path_factory.mktemp("dashboard")) as address:
        yield address


def test_an_answer_is_corrected_and_counts(visit: Visit, service: Served) -> None:
    with Client(service.url) as client:
        id_ = client.post({"text": "My parcel is late and I need it today."}).conversation_id
        [*client.wait_for_analysis([id_])]
        visit.open("conversation", {"id": id_})
        visit.page.get_by_text("urgency: high").wait_for()
        visit.page.get_by_role("button", name="Correct a field").click()
        visit.page.get_by_role("combobox", name=re.compile(r"\bField$")).click()
        visit.page.get_by_role("option", name="urgency", exact=True).click()
        visit.settled()
        visit.page.get_by_text("how soon the customer needs an answer").wait_for()
        visit.page.get_by_role("combobox", name=re.compile(r"\bAnswer$")).click()
        visit.page.get_by_role("option", name="low", exact=True).click()
        visit.settled()
        # What was drawn before is pale for a moment.
        until(lambda: visit.complaints() == [])
        visit.page.get_by_role("button", name="Save the answer").click()

        visit.page.get_by_text("Saved.").wait_for()
        visit.page.get_by_text("urgency: low").wait_for()
        found = client.insights_page(
            start_time="2020-01-01", end_time="2100-01-01", fields={"urgency": "low"}
        )
    assert [each.conversation_id for each in found.insights] == [id_]
