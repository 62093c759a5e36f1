"""What the files in `deploy/` may name: settings, secrets in files, and what manifests and units set."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import AliasChoices

from core.settings import SECRETS, SYNONYMS, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = ("sqlite", "postgres")
Manifest = dict[str, Any]


def settings() -> set[str]:
    """Every variable that the service reads."""
    found = set[str]()
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        found |= {str(each) for each in alias.choices} if isinstance(alias, AliasChoices) else {field.upper()}
    return found


def secret_files() -> set[str]:
    """Every variable that names a file with a secret."""
    return {f"{name}_FILE" for field in SECRETS for name in SYNONYMS.get(field, (field.upper(),))}


def manifests(folder: str) -> dict[str, Manifest]:
    """The resources and patches of a folder by their kind, before kustomize has put them together."""
    files = (KUBERNETES / folder).glob("*.yaml")
    documents = [document for file in sorted(files) for document in yaml.safe_load_all(file.read_text())]
    return {document["kind"]: document for document in documents}


def literals(overlay: str) -> dict[str, str]:
    """The settings that an overlay gives to the service, with those of the base."""
    merged: dict[str, str] = {}
    for folder in ("base", overlay):
        (generated,) = manifests(folder)["Kustomization"]["configMapGenerator"]
        merged |= dict(each.split("=", 1) for each in generated["literals"])
    return merged
