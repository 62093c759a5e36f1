"""A setting that is not built is refused by its name: never ignored, and its value never repeated."""

import re

import pytest

from core.settings import SYNONYMS, Settings, unbuilt_settings
from core.unbuilt import UNBUILT
from tests.support.product import ROOT

SECRET = "swordfish"
TROUBLESHOOTING = ROOT / "docs" / "TROUBLESHOOTING.md"


@pytest.mark.parametrize("name", UNBUILT)
def test_a_setting_that_is_not_built_is_refused_by_its_name(name: str) -> None:
    assert unbuilt_settings({name: SECRET}) == [f"{name}: is not built yet; unset it"]


@pytest.mark.parametrize(("name", "harmless"), UNBUILT.items())
def test_a_value_that_asks_for_nothing_is_fine(name: str, harmless: frozenset[str]) -> None:
    for value in harmless:
        assert unbuilt_settings({name: value.upper(), name.lower(): value}) == []


@pytest.mark.parametrize(
    "given",
    [
        {"BATCH_LANE": "on"},
        {"BATCH_LANE": " Yes "},
        {"batch_lane": "1"},
        {"batch_lane_hours": "6"},
    ],
)
def test_the_case_of_a_name_and_the_form_of_a_value_do_not_matter(given: dict[str, str]) -> None:
    (complaint,) = unbuilt_settings(given)

    assert complaint.startswith(next(iter(given)).upper())


def test_every_one_of_several_is_named() -> None:
    given = {"BATCH_LANE": "on", "BATCH_LANE_HOURS": SECRET, "PORT": "1"}

    complaints = unbuilt_settings(given)

    assert {each.partition(":")[0] for each in complaints} == {*given} - {"PORT"}
    assert SECRET not in str(complaints)


def test_what_is_built_is_not_on_the_list() -> None:
    built = {name.upper() for name in Settings.model_fields} | {
        name for names in SYNONYMS.values() for name in names
    }

    assert built & UNBUILT.keys() == set()


def test_the_manual_shows_the_complaint_of_a_setting_that_is_really_not_built() -> None:
    shown = re.findall(r"`cannot start: (\w+): is not built yet", TROUBLESHOOTING.read_text())

    assert shown
    assert {*shown} <= UNBUILT.keys()
