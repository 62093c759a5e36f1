"""LiteLLM's proxy as a process, between the service and the fake Grok. It has no database."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.support.process import ROOT, free_port
from tests.fake_grok.server import KEY

PROGRAM = ROOT / ".venv-gateway" / "bin" / "litellm"
MASTER_KEY = "sk-gateway-master"
LIMITED_KEY = "sk-gateway-limited"
MODEL = "grok-4.3"
START_SECONDS = 120.0

# As LiteLLM's manual describes it: an exception refuses the key, and what is returned carries its limits.
CUSTOM_AUTH = f"""
import pathlib, litellm
from litellm.proxy._types import UserAPIKeyAuth

async def user_api_key_auth(request, api_key):
    if pathlib.Path("spent").exists():
        raise litellm.BudgetExceededError(current_cost=10.0, max_budget=1.0)
    if api_key == "{LIMITED_KEY}":
        return UserAPIKeyAuth(api_key=api_key, rpm_limit=1)
    if api_key != "{MASTER_KEY}":
        raise Exception("no such key")
    return UserAPIKeyAuth(api_key=api_key)
"""


class Proxy(NamedTuple):
    """A running proxy."""

    url: str
    folder: Path

    @property
    def spent(self) -> Path:
        """While this file exists, every key's budget is spent (only with custom authentication)."""
        return self.folder / "spent"


@contextmanager
def litellm_proxy(folder: Path, upstream: str, *, custom_auth: bool) -> Iterator[Proxy]:
    """Run the proxy on loopback; without `custom_auth` it knows its master key only. Ends by itself."""
    config = folder / "config.json"
    config.write_text(json.dumps(_config(upstream, custom_auth=custom_auth)))
    (folder / "custom_auth.py").write_text(CUSTOM_AUTH)
    port = free_port()
    # Without the setting it looks for prices on the internet: 8 s of tries, and a test stays on this machine.
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [str(PROGRAM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, folder / "output.txt")
        yield Proxy(f"{url}/v1", folder)
    finally:
        process.kill()
        process.wait(10)


def _config(upstream: str, *, custom_auth: bool) -> dict[str, Any]:
    # Less than a call costs. Smaller, and JSON writes 1e-05, which YAML reads as a text: no budget at all.
    one_call = {"max_budget": 0.0001, "budget_duration": "1d"}
    models = [_model(MODEL, upstream), _model("limited", upstream, rpm=1)]
    models.append(_model("budgeted", upstream, **one_call))
    auth = {"custom_auth": "custom_auth.user_api_key_auth"} if custom_auth else {}
    return {
        "model_list": models,
        "litellm_settings": {"telemetry": False},
        # Only one of the two may retry and stay away from a failing upstream, and that is the service.
        "router_settings": {
            "num_retries": 0,
            "disable_cooldowns": True,
            "optional_pre_call_checks": ["enforce_model_rate_limits"],
        },
        "general_settings": {"master_key": MASTER_KEY, **auth},
    }


def _model(name: str, upstream: str, **limits: Any) -> dict[str, Any]:
    params = {"model": f"xai/{MODEL}", "api_base": upstream, "api_key": KEY, **limits}
    return {"model_name": name, "litellm_params": params}


def _wait(process: "subprocess.Popen[bytes]", url: str, output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, f"no answer after {START_SECONDS:g} s: {output.read_text()}"
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/liveliness", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
