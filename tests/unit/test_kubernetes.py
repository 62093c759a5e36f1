"""The manifests as they stand: selectors find the pods, settings exist, probes have routes, and nothing is unlimited.

`make test-kit` builds both overlays with kustomize and holds them against the schema of Kubernetes.
"""

from pathlib import Path

import pytest

from api.roles import RULES
from core.settings import Settings
from core.version import VERSION
from main import create_app
from tests.support.deployed import OVERLAYS, Manifest, literals, manifests, secret_files, settings

BASE = manifests("process") | manifests("base")
ROLES = {
    role: manifests(folder)["Deployment"]
    for role, folder in (("api", "postgres"), ("worker", "postgres/worker"))
}
COMPONENT = "app.kubernetes.io/component"
POD: Manifest = BASE["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
LABELS: dict[str, str] = BASE["Deployment"]["spec"]["template"]["metadata"]["labels"]
STOP_SECONDS = 8
"""Within which the service ends: docs/OPERATIONS.md, "Stopping"."""


@pytest.mark.parametrize(
    "selector",
    [
        BASE["Deployment"]["spec"]["selector"]["matchLabels"],
        BASE["Service"]["spec"]["selector"],
        BASE["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        BASE["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ],
)
def test_every_selector_finds_the_pods(selector: dict[str, str]) -> None:
    assert selector
    assert selector.items() <= LABELS.items()


@pytest.mark.parametrize("role", ROLES)
def test_the_pods_of_a_role_are_told_apart(role: str) -> None:
    """A deployment that found those of the other would end them."""
    described = ROLES[role]["spec"]
    pod = described["template"]
    (spread,) = pod["spec"]["topologySpreadConstraints"]
    (container,) = pod["spec"]["containers"]
    labels = {COMPONENT: role}

    assert described["selector"]["matchLabels"] == pod["metadata"]["labels"] == labels
    assert spread["labelSelector"]["matchLabels"] == LABELS | labels
    assert container == {"name": CONTAINER["name"], "env": [{"name": "ROLE", "value": role}]}


@pytest.mark.parametrize("role", ROLES)
def test_a_new_pod_answers_before_an_old_one_leaves(role: str) -> None:
    described = ROLES[role]["spec"]

    assert described["replicas"] == 2
    assert described["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert described["strategy"]["$patch"] == "replace", "what Recreate has would stay"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_variable_is_a_setting(overlay: str) -> None:
    assert set(literals(overlay)) <= settings() | secret_files()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_service_starts_with_these_settings(
    overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a secret in each file, which Settings reads and validates."""
    contents = {
        "AUTH_SECRET_FILE": "s" * 32,
        "GROK_API_KEY_FILE": "key",
        "DATABASE_URL_FILE": "postgresql://u@h/d",
    }
    monkeypatch.chdir(tmp_path)
    for name, value in literals(overlay).items():
        if name.endswith("_FILE"):
            (tmp_path / name).write_text(contents[name])
        monkeypatch.setenv(name, str(tmp_path / name) if name.endswith("_FILE") else value)
    monkeypatch.setenv("DB_PATH", "/data/insights.db")  # as the image has it

    made = Settings()

    assert made.auth_required
    assert made.url.get_backend_name() == ("sqlite" if overlay == "sqlite" else "postgresql")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_file_with_a_secret_lies_where_the_secret_is_mounted(overlay: str) -> None:
    (folder,) = [each["mountPath"] for each in CONTAINER["volumeMounts"] if each["name"] == "secrets"]
    files = {name: value for name, value in literals(overlay).items() if name.endswith("_FILE")}

    assert files
    assert files == {name: f"{folder}/{name.removesuffix('_FILE').lower()}" for name in files}


def test_two_processes_share_the_limits_that_one_has() -> None:
    """Each process counts its requests for itself. All share the cap of the calls."""
    pods = ROLES["api"]["spec"]["replicas"]

    assert float(literals("postgres")["INBOUND_RPS"]) * pods == Settings.model_fields["inbound_rps"].default
    assert "OUTBOUND_RPS" not in literals("postgres")


def test_probes_ask_for_what_the_service_answers_to_everybody() -> None:
    paths = {CONTAINER[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    document = create_app(Settings.model_construct()).openapi()

    assert paths == {"/healthz"}
    assert "get" in document["paths"]["/healthz"]
    assert RULES["get", "/healthz"].role is None


def test_ports_have_the_names_that_are_asked_for() -> None:
    named = {each["name"] for each in CONTAINER["ports"]}
    asked = {CONTAINER[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")}
    asked |= {each["targetPort"] for each in BASE["Service"]["spec"]["ports"]}
    asked |= {port["port"] for rule in BASE["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]}

    assert asked == named


def test_every_mount_has_its_volume() -> None:
    added = manifests("sqlite")["Deployment"]["spec"]["template"]["spec"]
    volumes = {each["name"] for pod in (POD, added) for each in pod["volumes"]}
    mounts = {each["name"] for pod in (POD, added) for each in pod["containers"][0]["volumeMounts"]}

    assert mounts == volumes
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data"}} in added["volumes"]
    assert manifests("sqlite")["PersistentVolumeClaim"]["metadata"]["name"] == "data"


def test_nothing_is_unlimited() -> None:
    limits = CONTAINER["resources"]["limits"]

    assert set(limits) == set(CONTAINER["resources"]["requests"]) == {"cpu", "memory", "ephemeral-storage"}
    assert POD["volumes"][1]["emptyDir"]["sizeLimit"]


def test_the_pod_may_do_nothing_that_it_need_not() -> None:
    """As the profile `restricted` of Pod Security wants it, a read-only root besides."""
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (
        POD["automountServiceAccountToken"] is BASE["ServiceAccount"]["automountServiceAccountToken"] is False
    )
    assert POD["serviceAccountName"] == BASE["ServiceAccount"]["metadata"]["name"]


def test_the_pod_is_given_the_time_that_its_end_takes() -> None:
    waits = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert POD["terminationGracePeriodSeconds"] > waits + STOP_SECONDS


def test_the_image_is_of_this_version() -> None:
    (image,) = BASE["Kustomization"]["images"]

    assert manifests("postgres")["Kustomization"]["images"] == [image], "the workers' is of the overlay"
    assert image["name"] == CONTAINER["image"]
    assert image["newTag"] == VERSION
