"""The alert rules are whole: each says how bad it is and what it is about, and leads to its paragraph."""

import re
from typing import Any

import promql_parser as promql
import pytest
import yaml

from core.metrics import CONDITIONS
from tests.support.product import ROOT
from tests.support.promql import RULES, SCRAPE, alert_rules, grouped_by, named, unknown

RUNBOOK = (ROOT / "docs" / "OPERATIONS.md").read_text()
ALERTS = RUNBOOK.partition("\n## Alerts\n")[2].partition("\n## ")[0]
NO_RULE = "What no rule sees"
LINK = "{{ $externalLabels.manual }}/OPERATIONS.md#"
# These show in a metric of their own; a pause that the provider asks for is nothing by itself.
CONDITIONS_SEEN_OTHERWISE = {
    "database_unavailable": "DatabaseDown",
    "analysis_paused": "AnalysisPaused",
    "rate_limited": "ProviderRateLimits",
}

Rule = dict[str, Any]
by_name = pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: rule["alert"])


@by_name
def test_a_rule_says_how_bad_it_is_and_leads_to_its_paragraph(rule: Rule) -> None:
    told = rule["annotations"]

    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    assert told["summary"]
    assert told["description"].endswith(".")
    assert told["runbook_url"] == f"{LINK}{rule['alert'].lower()}"
    assert f"\n### {rule['alert']}\n" in ALERTS


def test_every_paragraph_is_of_a_rule_and_says_what_to_do() -> None:
    paragraphs = re.split(r"^### ", ALERTS, flags=re.MULTILINE)[1:]
    titles = [each.partition("\n")[0] for each in paragraphs]

    assert {*titles} - {NO_RULE} == {rule["alert"] for rule in alert_rules()}
    assert len(titles) == len({*titles})
    assert [each[:20] for each in paragraphs if "**Do:**" not in each and not each.startswith(NO_RULE)] == []


@by_name
def test_a_rule_is_made_to_fire_by_make_test_ops(rule: Rule) -> None:
    checks = [path.read_text() for path in (ROOT / "tests" / "ops").glob("check_*_alerts.py")]

    assert any(f'"{rule["alert"]}"' in text for text in checks)


@by_name
def test_an_expression_parses_and_stays_with_the_job_of_the_scrape_configuration(rule: Rule) -> None:
    """Other programs have metrics of these names, too."""
    assert promql.parse(rule["expr"]).prettify()
    for each in named(rule["expr"]):
        assert ("job", "insights") in [(matcher.name, matcher.value) for matcher in each.matchers]


@by_name
def test_an_annotation_names_labels_that_are_left(rule: Rule) -> None:
    used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    grouped = grouped_by(rule["expr"])

    assert used <= (grouped or {"instance", "condition"})


def test_every_condition_fires_something() -> None:
    rules = alert_rules()
    seen = "|".join(
        matcher.value
        for rule in rules
        for each in named(rule["expr"].partition("unless")[0])
        for matcher in each.matchers
        if matcher.name == "condition"
    )

    assert {*seen.split("|")} | CONDITIONS_SEEN_OTHERWISE.keys() == {*CONDITIONS}
    assert {*CONDITIONS_SEEN_OTHERWISE.values()} <= {rule["alert"] for rule in rules}


def test_the_scrape_configuration_has_the_job_the_rules_and_a_key_from_a_file() -> None:
    configuration = yaml.safe_load(SCRAPE.read_text())
    (job,) = configuration["scrape_configs"]

    assert job["job_name"] == "insights"
    assert [*job["authorization"]] == ["credentials_file"]
    assert configuration["rule_files"] == [RULES.name]
    assert configuration["global"]["external_labels"]["manual"].endswith("/docs")


@pytest.mark.parametrize(
    ("expression", "complaints"),
    [
        ('jobs_total{status="failed"} > 0', []),
        ("jobs > 0", ["no metric jobs"]),
        ("sum by (task) (jobs_total)", ["grouped by task"]),
        ('jobs_total{state="failed"}', ["jobs_total has no label state"]),
        ('jobs_total{status=~"failed|lost"}', ["no status lost"]),
        ('up{job="insights"} == 0', []),
    ],
)
def test_what_is_not_there_is_found(expression: str, complaints: list[str]) -> None:
    assert unknown(expression, {"jobs_total": {"status": {"completed", "failed"}}}) == complaints
