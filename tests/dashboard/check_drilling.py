"""From a day, a person, a case and a pair of topics to what they are made of, and back by the browser's button."""

from playwright.sync_api import expect

from benchmarks.support.serving import Served
from client import Client
from tests.dashboard.browsing import Visit, until
from tests.dashboard.views import ALL_DAYS

WINDOW = {"from": "2026-11-16", "to": "2026-11-19"}
BAR = "path[aria-roledescription=bar]"


def day_is(visit: Visit, first: str, last: str) -> bool:
    """Whether the page is about these days."""
    return (visit.parameters.get("from"), visit.parameters.get("to")) == (first, last)


def click_sunday(visit: Visit) -> None:
    """A click on a day of the chart, and until the page is about it."""
    sunday = visit.page.locator(f"{BAR}[aria-label^='Sun 15 Nov 2026: ']")

    def opens() -> bool:
        # In the first window of a dashboard that has just started, one of three clicks came before the chart listened.
        if sunday.count():
            sunday.click()
        visit.page.wait_for_timeout(1_000)
        return day_is(visit, "2026-11-15", "2026-11-15")

    until(opens)
    visit.page.get_by_text("on Sun 15 Nov 2026").wait_for()


def test_why_a_day_was_different_takes_four_clicks_from_the_landing_page(visit: Visit) -> None:
    """The page, the day, the part that moved it most, and what somebody said."""
    visit.open()
    visit.page.get_by_role("link", name="Why this day").click()
    visit.at("day")
    visit.drawn("A row opens its conversation")
    click_sunday(visit)
    visit.drawn("A row opens its conversation")
    part = visit.cells(1)[0][0]

    visit.choose(0, 1)
    visit.at("conversations")
    assert visit.parameters["topic"] == part.lower().replace(" ", "_")
    assert day_is(visit, "2026-11-15", "2026-11-15")

    visit.choose(0)
    visit.at("conversation")
    visit.heading("Conversation")


def test_a_day_opens_with_a_click_and_back_closes_it(visit: Visit) -> None:
    visit.open("day", WINDOW)
    visit.drawn("A row opens its conversation")
    click_sunday(visit)

    visit.back()
    visit.page.get_by_text("from Mon 16 Nov 2026").wait_for()
    assert visit.parameters == WINDOW


def test_a_part_opens_its_conversations_the_most_telling_first(visit: Visit) -> None:
    visit.open("day", WINDOW)
    visit.drawn("A row opens its conversation")
    part = visit.cells()[1]  # the grid of the days is hidden, its frame is not

    visit.choose(1, 1)
    visit.at("conversations")

    assert visit.parameters["topic"] == part[0].lower().replace(" ", "_")
    assert visit.parameters["sort"] == ("score" if part[1].startswith("-") else "-score")
    visit.back()
    visit.heading("Why this day")
    assert day_is(visit, "2026-11-16", "2026-11-19")


def test_a_person_opens_their_conversations(visit: Visit) -> None:
    visit.open("who", ALL_DAYS)
    visit.drawn("What they have in common")

    visit.page.locator(BAR).first.click()
    visit.at("person")
    assert visit.parameters["person"] == "318842"
    visit.drawn("None of their conversations has a summary")
    assert len(visit.cells()) == 3

    visit.choose(0)
    visit.at("conversation")
    visit.back()
    visit.heading("Person")
    until(lambda: len(visit.cells()) == 3)


def test_a_value_leads_to_the_conversations_that_have_it(visit: Visit) -> None:
    visit.open("who", {**ALL_DAYS, "facet": "analyzer"})
    visit.drawn("What they have in common")
    until(lambda: visit.cells(1)[0][0] == "offline")

    visit.choose(0, 1)
    visit.at("conversations")

    expect(visit.page.get_by_label("Value of this field")).to_have_value("offline")


def test_a_case_opens_its_conversation(summarised: str, visit: Visit) -> None:
    visit.open("cases", {**ALL_DAYS, "outcome": "all"})
    visit.drawn("What they are about")

    visit.choose(0)
    visit.at("conversation")
    visit.heading("Conversation")

    visit.back()
    visit.heading("Open cases")
    assert visit.parameters["outcome"] == "all"


def test_the_price_is_taken_back_by_the_browser(visit: Visit) -> None:
    visit.open("cases", ALL_DAYS)
    visit.page.get_by_role("button", name="What would it cost").click()
    visit.page.get_by_text("have no summary").wait_for()

    visit.back()

    visit.page.get_by_role("button", name="What would it cost").wait_for()


def test_any_two_topics_are_beside_each_other_after_four_clicks(visit: Visit, sample: Served) -> None:
    with Client(sample.url) as client:
        found = client.compare_topics(start_time="2026-11-16", end_time="2026-11-20")
    labels = {each.slug: each.label for each in found.topics}
    visit.open()

    visit.page.get_by_role("link", name="Two topics").click()
    visit.at("pair")
    visit.page.get_by_role("combobox", name="Two topics").click()
    for slug in ("customer_service", "praise"):
        visit.page.get_by_role("option", name=labels[slug], exact=True).click()
    visit.page.get_by_text(f"“{labels['praise']}” is in").or_(
        visit.page.get_by_text(f"“{labels['praise']}” in")
    ).wait_for()
    assert (visit.parameters["topic"], visit.parameters["other"]) == ("customer_service", "praise")

    visit.choose(1)
    visit.at("conversations")
    assert visit.parameters["topic"] == "praise"
    visit.back()
    visit.heading("Two topics")
    assert {visit.parameters["topic"], visit.parameters["other"]} == {"customer_service", "praise"}
