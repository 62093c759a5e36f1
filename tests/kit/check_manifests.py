"""Both overlays as kustomize builds them, against the newest schema of Kubernetes; compose files against theirs.

Run with `make test-kit`. What the schema does not know is in tests/unit/test_kubernetes.py.
"""

from pathlib import Path

import pytest
import yaml

from benchmarks.support.process import ROOT
from core.version import VERSION
from tests.kit.tools import DEPLOY, VENV, run
from tests.support.deployed import OVERLAYS, Manifest, literals

COMPOSE = [ROOT / "docker-compose.yml", *sorted(DEPLOY.glob("docker-compose*.yml"))]


def built(overlay: str) -> str:
    """What `kubectl apply -k` would send."""
    done = run(VENV / "python", ROOT / "tests" / "kit" / "build.py", DEPLOY / "kubernetes" / overlay)
    assert done.returncode == 0, done.stderr
    return done.stdout


def resources(overlay: str) -> dict[str, Manifest]:
    """By their kind; of the deployments the one for requests."""
    found = {document["kind"]: document for document in documents(overlay)}
    return found | {"Deployment": deployments(overlay)[0]}


def documents(overlay: str) -> list[Manifest]:
    return [*yaml.safe_load_all(built(overlay))]


def deployments(overlay: str) -> list[Manifest]:
    found = [each for each in documents(overlay) if each["kind"] == "Deployment"]
    return sorted(found, key=lambda each: str(each["metadata"]["name"]))


def complaints(file: Path) -> list[str]:
    """Whatever the validator does not let pass. An unknown kind or version is a warning of its and exit code 0."""
    done = run(VENV / "kubernetes-validate", "--strict", file)
    lines = (done.stdout + done.stderr).splitlines()
    assert lines, "it has read nothing"
    return [line for line in lines if not line.startswith("INFO ")]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_what_kubernetes_takes(overlay: str, tmp_path: Path) -> None:
    file = tmp_path / "built.yaml"
    file.write_text(built(overlay))

    assert complaints(file) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n"),
        ("kind: NetworkPolicy", "kind: NetworkPolitics"),
        ("failureThreshold:", "failuresThreshold:"),
    ],
)
def test_what_is_wrong_is_noticed(right: str, wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "built.yaml"
    file.write_text(built("sqlite").replace(right, wrong, 1))

    assert complaints(file)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pods_get_the_settings_of_the_overlay(overlay: str) -> None:
    """Under a name that changes with them."""
    settings = resources(overlay)["ConfigMap"]
    assert settings["data"] == literals(overlay)
    for each in deployments(overlay):
        (container,) = each["spec"]["template"]["spec"]["containers"]
        (given,) = container["envFrom"]

        assert given["configMapRef"]["name"] == settings["metadata"]["name"] != "settings"
        assert container["image"].endswith(f"/insights-platform:{VERSION}")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_is_in_one_namespace(overlay: str) -> None:
    namespace = resources(overlay)["Namespace"]["metadata"]["name"]
    found = [each for each in documents(overlay) if each["kind"] != "Namespace"]

    assert {each["metadata"]["namespace"] for each in found} == {namespace}


def test_requests_reach_the_pods_that_take_them_and_no_others() -> None:
    chosen = resources("postgres")["Service"]["spec"]["selector"].items()
    api, worker = deployments("postgres")
    labels = [each["spec"]["template"]["metadata"]["labels"].items() for each in (api, worker)]
    selectors = [each["spec"]["selector"]["matchLabels"].items() for each in (api, worker)]

    assert [chosen <= each for each in labels] == [True, False]
    assert [[selector <= each for each in labels] for selector in selectors] == [[True, False], [False, True]]
    assert [each["spec"]["strategy"]["type"] for each in (api, worker)] == ["RollingUpdate"] * 2


def test_postgresql_can_be_reached_and_needs_no_volume() -> None:
    found = resources("postgres")
    ports = [port["port"] for rule in found["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]]

    assert ports == [53, 53, 443, 5432]
    assert "PersistentVolumeClaim" not in found


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_a_compose_file_is_what_compose_takes(file: Path) -> None:
    done = run(VENV / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)

    assert done.returncode == 0, done.stdout
