"""The manual keeps up with the code: settings, metrics, routes, error codes and files are there by their names."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import AliasChoices

from core.metrics import Metrics
from core.settings import Settings
from domain.jobs import CONVERSATION_TRANSITIONS, SUMMARY_TRANSITIONS, Transitions
from domain.topics import BUILT_IN
from main import create_app
from models import SKIPPED, STATUSES
from schemas import Code

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "docs" / "SETTINGS.md"
EXAMPLE = ROOT / ".env.example"

CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"[\w./-]*\w\.(?:py|md|toml|yml|in|txt)\b")
FOLDER = re.compile(r"(?:\w+/)+")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def manual() -> list[Path]:
    """README, contributing, changelog and everything in docs."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def in_backticks(*paths: Path) -> set[str]:
    """Everything that stands in backticks, examples apart."""
    return {code for path in paths for code in CODE.findall(FENCED.sub("", path.read_text()))}


def rows(path: Path) -> Iterator[list[str]]:
    """The cells of every row of a table."""
    for line in path.read_text().splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def names(field: str) -> list[str]:
    """The environment variables that set a field; the first is the one to use."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [field.upper()]


def is_default(field: str, said: str) -> bool:
    """Whether this is how a field's default is written; an unset one has no value, or a word for it."""
    value = Settings.model_fields[field].default
    if isinstance(value, bool):
        return said == str(value).lower()
    if isinstance(value, int | float):
        return re.fullmatch(r"[0-9.]+", said) is not None and float(said) == value
    written = ",".join(value) if isinstance(value, tuple) else str(value)
    return value in (None, "", ()) or said == written


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_in_the_manual_with_its_default(field: str) -> None:
    """A row may have several names, as `A`, `B` (or `SYNONYM`), and as many defaults in the same order."""
    name, *synonyms = names(field)
    found = [row for row in rows(SETTINGS) if name in CODE.findall(row[0])]

    assert len(found) == 1, f"{name} has {len(found)} rows in docs/SETTINGS.md"
    primary = CODE.findall(re.sub(r"\(or [^)]*\)", "", found[0][0]))
    defaults = [each.strip(" `") for each in found[0][1].split(", ")]
    assert set(synonyms) <= set(CODE.findall(found[0][0]))
    assert len(primary) == len(defaults)
    assert is_default(field, defaults[primary.index(name)])


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_in_the_example_with_its_default(field: str) -> None:
    name = names(field)[0]
    lines = [line for line in EXAMPLE.read_text().splitlines() if re.match(rf"#? ?{name}=", line)]

    assert len(lines) == 1, f"{name} has {len(lines)} lines in .env.example"
    assert is_default(field, lines[0].partition("=")[2].strip())


def test_the_example_sets_nothing_that_there_is_not() -> None:
    known = {name for field in Settings.model_fields for name in names(field)}
    set_there = set(re.findall(r"^#? ?([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))

    # The programs' own, which the server does not read.
    assert set_there - known <= {"API_URL", "API_KEY", "DATASET_CSV", "POSTGRES_PASSWORD"}


def metrics() -> list[str]:
    """Every metric by the name that it is scraped under."""
    text = Metrics().render().decode()
    return [
        name for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE) if not name.endswith("_created")
    ]


@pytest.mark.parametrize("metric", metrics())
def test_every_metric_is_in_the_manual(metric: str) -> None:
    documented = {code.partition("{")[0] for code in in_backticks(*manual())}

    assert metric in documented


def operations() -> list[tuple[str, str]]:
    # Not from the OpenAPI document, which takes half a second of CPU in every process that looks for tests.
    routes = [each for each in create_app(Settings.model_construct()).routes if isinstance(each, APIRoute)]
    return sorted(
        (method, each.path_format)
        for each in routes
        if each.include_in_schema
        for method in each.methods or ()
    )


@pytest.mark.parametrize(("method", "path"), operations())
def test_every_route_is_in_the_manual(method: str, path: str) -> None:
    """As `POST /api/v1/conversations/{id}/retry`, parameters under any name; what follows a `?` is free."""
    said = {re.sub(r"\{[^}]*\}", "{}", code.partition("?")[0]) for code in in_backticks(*manual())}
    wanted = re.sub(r"\{[^}]*\}", "{}", path)

    assert f"{method} {wanted}" in said


def test_every_error_code_is_in_the_manual() -> None:
    assert {code.value for code in Code} <= in_backticks(*manual())


def test_every_topic_is_in_the_manual() -> None:
    assert set(BUILT_IN) <= in_backticks(*manual())


def test_every_reference_in_the_openapi_document_leads_somewhere() -> None:
    document = create_app(Settings.model_construct()).openapi()
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)))

    def leads_somewhere(reference: str) -> bool:
        at: Any = document
        for name in reference.split("/"):
            at = at.get(name) if isinstance(at, dict) else None
        return at is not None

    assert references
    assert {each for each in references if not leads_somewhere(each)} == set()


# --- files --------------------------------------------------------------------------------------------------


def files_named(page: Path) -> set[str]:
    """Every file and folder of ours that a page names in backticks or in a shell example."""
    text = page.read_text()
    spans = [
        *CODE.findall(FENCED.sub("", text)),
        *re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL),
    ]
    folders = {span for span in spans if FOLDER.fullmatch(span)}
    return folders | {name for span in spans if "://" not in span for name in FILE.findall(span)}


@pytest.mark.parametrize("page", manual(), ids=lambda page: page.name)
def test_every_file_that_the_manual_names_exists(page: Path) -> None:
    """By its path from the root."""
    assert {name for name in files_named(page) if not (ROOT / name).exists()} == set()


def test_the_architecture_names_files() -> None:
    """Or the test above would pass for a page in which it finds nothing."""
    named = files_named(ROOT / "docs" / "ARCHITECTURE.md")

    assert len(named) > 60
    assert {"api/routes/intake.py", "migrations/versions/"} <= named


def anchors(page: Path) -> set[str]:
    """What a link to a heading of a page may end with, as GitHub spells it."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", manual(), ids=lambda page: page.name)
def test_every_link_of_the_manual_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    split = (link.partition("#") for link in links)
    targets = [(page.parent / path if path else page, anchor) for path, _, anchor in split]
    missing = {str(path.resolve().relative_to(ROOT)) for path, _ in targets if not path.exists()}

    assert missing == set()
    assert [
        anchor for path, anchor in targets if anchor and path.exists() and anchor not in anchors(path)
    ] == []


# --- states -------------------------------------------------------------------------------------------------


def states(heading: str) -> tuple[list[str], dict[tuple[str, str], str]]:
    """The statuses of the table under a heading of the architecture guide, and its (status, event) to status."""
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    lines = page.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines()
    (_, *statuses), _, *body = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")
    ]
    cells = {(at, event): to for event, *row in body for at, to in zip(statuses, row, strict=True)}
    return statuses, cells


@pytest.mark.parametrize(
    ("heading", "allowed", "transitions"),
    [
        ("States of a conversation", set(STATUSES), CONVERSATION_TRANSITIONS),
        ("States of a summary", {"none", "outdated", *STATUSES} - {SKIPPED}, SUMMARY_TRANSITIONS),
    ],
)
def test_the_tables_of_states_are_those_of_the_code(
    heading: str, allowed: set[str], transitions: Transitions
) -> None:
    """`tests/store/test_transitions.py` holds the same transitions against the store."""
    statuses, cells = states(heading)

    assert set(statuses) == allowed
    assert {key: None if to == "gone" else to for key, to in cells.items() if to != "-"} == transitions
