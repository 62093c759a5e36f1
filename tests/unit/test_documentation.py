"""The manual keeps up with the code: every setting, metric and route is in it, by its name in backticks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices

from core.metrics import Metrics
from core.settings import Settings
from main import create_app
from schemas import Code

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
EXAMPLE = ROOT / ".env.example"

CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def manual() -> list[Path]:
    return [README, *sorted((ROOT / "docs").glob("*.md"))]


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
    if isinstance(value, int | float):
        return re.fullmatch(r"[0-9.]+", said) is not None and float(said) == value
    return value in (None, "") or said == str(value)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_in_the_readme_with_its_default(field: str) -> None:
    """A row may have several names, as `A`, `B` (or `SYNONYM`), and as many defaults in the same order."""
    name, *synonyms = names(field)
    found = [row for row in rows(README) if name in CODE.findall(row[0])]

    assert len(found) == 1, f"{name} has {len(found)} rows in README's tables"
    primary = CODE.findall(re.sub(r"\(or [^)]*\)", "", found[0][0]))
    defaults = [each.strip(" `") for each in found[0][1].split(",")]
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
    assert set_there - known <= {"API_URL", "DATASET_CSV", "POSTGRES_PASSWORD"}


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
    document = create_app(Settings.model_construct()).openapi()
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


@pytest.mark.parametrize(("method", "path"), operations())
def test_every_route_is_in_the_manual(method: str, path: str) -> None:
    """As `POST /api/v1/conversations/{id}/retry`, parameters under any name; what follows a `?` is free."""
    said = {re.sub(r"\{[^}]*\}", "{}", code.partition("?")[0]) for code in in_backticks(*manual())}
    wanted = re.sub(r"\{[^}]*\}", "{}", path)

    assert f"{method} {wanted}" in said


def test_every_error_code_is_in_the_manual() -> None:
    assert {code.value for code in Code} <= in_backticks(*manual())


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
