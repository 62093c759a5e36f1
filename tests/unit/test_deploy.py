"""The files for containers name settings that there are, and pass on what closes the service."""

import re

import pytest
import yaml

import dashboard.settings
from api.leaving import PROBE
from core.version import VERSION
from tests.support.deployed import ROOT, secret_files, settings

COMPOSE = (ROOT / "docker-compose.yml").read_text()
WITH_SECRETS = (ROOT / "deploy" / "docker-compose.secrets.yml").read_text()
SET = re.compile(r"^ {6}(?:# )?([A-Z_]+): (.*)$", re.MULTILINE)
OTHERS = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
DASHBOARD = {name.upper() for name in dashboard.settings.Settings.model_fields} | {
    "STREAMLIT_SERVER_BASE_URL_PATH"
}


@pytest.mark.parametrize("text", [COMPOSE, WITH_SECRETS], ids=["compose", "secrets"])
def test_every_variable_is_a_setting(text: str) -> None:
    assert {name for name, _ in SET.findall(text)} <= settings() | secret_files() | DASHBOARD | OTHERS


@pytest.mark.parametrize("image", ["insights-platform", "insights-platform-dashboard"])
def test_an_image_is_of_this_version(image: str) -> None:
    assert f"\n    image: {image}:{VERSION}\n" in COMPOSE


def test_the_dashboard_has_400_mb_and_the_port_that_it_publishes() -> None:
    described = yaml.safe_load(COMPOSE)["services"]["dashboard"]

    assert described["mem_limit"] == "400m"
    assert described["profiles"] == ["dashboard"]
    assert {each.rpartition(":")[2] for each in described["ports"]} == {
        str(described["environment"]["DASHBOARD_PORT"])
    }


@pytest.mark.parametrize("name", ["AUTH_REQUIRED", "AUTH_SECRET", "FORWARDED_ALLOW_IPS", "ROOT_PATH"])
def test_what_is_set_outside_reaches_the_container(name: str) -> None:
    """From the shell or from `.env`, with nothing but the default where it is not set."""
    default = "false" if name == "AUTH_REQUIRED" else ""

    assert dict(SET.findall(COMPOSE))[name] == f"${{{name}:-{default}}}"


def test_a_secret_in_a_file_is_not_set_as_a_variable_too() -> None:
    given = dict(SET.findall(WITH_SECRETS))
    in_files = [name.removesuffix("_FILE") for name in given if name.endswith("_FILE")]

    assert in_files == ["AUTH_SECRET", "GROK_API_KEY"]
    assert {given[name] for name in in_files} == {'""'}
    for name in in_files:
        assert given[f"{name}_FILE"] == f"/run/secrets/{name.lower()}"
        assert f"./secrets/{name.lower()}" in WITH_SECRETS


def test_the_profile_scale_has_two_processes_of_each_role_which_no_sqlite_file_can_have() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    scaled = {name: each for name, each in services.items() if "scale" in each.get("profiles", ())}

    assert scaled.keys() == {"api", "worker", "balancer", "pgbouncer", "postgres"}
    for role in ("api", "worker"):
        process = scaled[role]
        given = process["environment"]
        assert (given["ROLE"], process["deploy"]["replicas"]) == (role, 2)
        assert {given[name].partition(":")[0] for name in ("DATABASE_URL", "DATABASE_LISTEN_URL")} == {
            "postgresql"
        }
        assert (process["ports"], process["volumes"]) == ([], []), "several cannot share a port or a file"
        assert process["stop_grace_period"] == services["backend"]["stop_grace_period"]


def test_naming_the_balancer_starts_all_of_the_profile_scale_and_nothing_else() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    started, left = set[str](), ["balancer"]
    while left:
        started.add(name := left.pop())
        left += set(services[name].get("depends_on", ())) - started

    assert started == {name for name, each in services.items() if "scale" in each.get("profiles", ())}


def test_the_balancer_asks_the_path_that_says_whether_a_process_is_leaving() -> None:
    lines = (ROOT / "deploy" / "scale" / "haproxy.cfg").read_text().split("\n")
    words = [line.split() for line in lines]

    assert ["http-check", "send", "meth", "GET", "uri", PROBE, "hdr", "Host", "balancer"] in words
    assert ["retry-on", "conn-failure"] in words
