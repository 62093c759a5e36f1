"""A real Prometheus with the configuration and the rules of `deploy/prometheus`, on this machine's loopback.

It scrapes every second, and what takes minutes in the rules takes seconds here: a test cannot wait for an hour.
"""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.support.process import free_port
from benchmarks.support.waiting import eventually
from tests.support.promql import RULES, SCRAPE

NEEDED = ("prometheus", "promtool")
"""Both are in Debian's package prometheus."""
SHORT = {"5m": "10s", "15m": "30s", "30m": "30s", "1h": "90s"}
"""How long a window of the rules is here."""
HOUR, SHORT_HOUR = "> 3600", "> 90"
"""What retention may take for a sweep: the one threshold that would have to be waited for."""
FOR = "2s"
"""How long an alert is pending here that has a `for`."""
PATIENCE = 90.0
MANUAL = "https://manual.example.com/docs"

Json = dict[str, Any]


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]


def shortened(rules: Json) -> Json:
    """The rules with windows and waiting times of seconds; other thresholds stay as they are."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[(\w+)\]", lambda window: f"[{SHORT[window[1]]}]", rule["expr"])
            rule["expr"] = rule["expr"].replace(HOUR, SHORT_HOUR)
            rule |= {} if rule["for"] == "0s" else {"for": FOR}
    return rules


def quick(configuration: Json, folder: Path) -> Json:
    """The scrape configuration, every second, with its targets and its key in files of `folder`."""
    every_second = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["global"] |= {**every_second, "external_labels": {"manual": MANUAL}}
    (job,) = configuration["scrape_configs"]
    job["authorization"]["credentials_file"] = str(folder / "insights.key")
    del job["static_configs"]
    job["file_sd_configs"] = [{"files": [str(folder / "targets.json")]}]
    return configuration


@dataclass
class Monitor:
    """A running Prometheus."""

    url: str
    folder: Path
    process: "subprocess.Popen[bytes]"
    http: httpx.Client
    _targets: dict[str, str] = field(default_factory=dict)

    def until_ready(self) -> None:
        """Wait until it answers. Raises RuntimeError if it ends instead, and TimeoutError."""
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "output.txt").read_text())
            if time.monotonic() > deadline:
                raise TimeoutError("Prometheus does not get ready")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self.http.get(f"{self.url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def watch(self, name: str, url: str) -> None:
        """Scrape a service; its series and alerts have `name` as their instance."""
        self._targets[name] = url.removeprefix("http://")
        self._write()

    def forget(self, name: str) -> None:
        """Scrape it no longer."""
        del self._targets[name]
        self._write()

    def _write(self) -> None:
        groups = [{"targets": [at], "labels": {"instance": name}} for name, at in self._targets.items()]
        written = self.folder / "targets.new"
        written.write_text(json.dumps(groups))
        written.replace(self.folder / "targets.json")

    async def is_scraped(self, instance: str) -> None:
        """Wait until a service has been scraped twice: a counter whose first value is 1 has not risen."""

        async def twice() -> bool:
            await asyncio.sleep(0.2)
            found = await self.query(f'sum_over_time(up{{instance="{instance}"}}[1m])')
            return bool(found) and float(found[0]["value"][1]) >= 2

        await eventually(twice, PATIENCE)

    def give_key(self, key: str) -> None:
        """Put a key into the file that it is read from."""
        (self.folder / "insights.key").write_text(key)

    async def asked(self, path: str, **params: str) -> Any:
        """`data` of an answer of its API."""
        response = await asyncio.to_thread(self.http.get, f"{self.url}/api/v1/{path}", params=params)
        body = response.json()
        assert response.status_code == 200, body
        return body["data"]

    async def query(self, expression: str) -> list[Json]:
        """The result of a query now."""
        found: list[Json] = (await self.asked("query", query=expression))["result"]
        return found

    async def firing(self, instance: str | None = None) -> dict[str, Json]:
        """The alerts that fire, by name; those of an instance where there is one."""
        alerts = (await self.asked("alerts"))["alerts"]
        return {
            each["labels"]["alertname"]: each
            for each in alerts
            if each["state"] == "firing" and instance in (None, each["labels"].get("instance"))
        }

    async def fires(self, instance: str | None, *names: str, seconds: float = PATIENCE) -> dict[str, Json]:
        """Wait until all of these alerts fire."""
        seen: set[str] = set()

        async def all_fire() -> dict[str, Json] | None:
            found = await self.firing(instance)
            seen.update(found)
            await asyncio.sleep(0.2)
            return found if {*names} <= found.keys() else None

        try:
            found: dict[str, Json] = await eventually(all_fire, seconds)
        except TimeoutError as error:
            error.add_note(f"wanted {sorted(names)}, have seen {sorted(seen)}")
            raise
        for name in names:
            _check_texts(name, found[name]["annotations"])
        return found

    async def stops(self, instance: str, *names: str) -> None:
        """Wait until none of these alerts fires."""

        async def none_fires() -> bool:
            await asyncio.sleep(0.2)
            return not {*names} & (await self.firing(instance)).keys()

        await eventually(none_fires, PATIENCE)


def _check_texts(name: str, annotations: Json) -> None:
    """The templates of an alert have been filled in."""
    assert annotations["runbook_url"] == f"{MANUAL}/OPERATIONS.md#{name.lower()}"
    for text in annotations.values():
        assert text.strip()
        assert not any(wrong in text for wrong in ("{{", "<no value>", "error expanding", "NaN")), text


@contextmanager
def monitoring(folder: Path) -> Iterator[Monitor]:
    """A Prometheus that watches nothing yet."""
    port = free_port()
    (folder / "targets.json").write_text("[]")
    (folder / "insights.key").write_text("nobody's")
    (folder / RULES.name).write_text(yaml.safe_dump(shortened(yaml.safe_load(RULES.read_text()))))
    configuration = quick(yaml.safe_load(SCRAPE.read_text()), folder)
    (folder / SCRAPE.name).write_text(yaml.safe_dump(configuration))
    command = [
        "prometheus",
        f"--config.file={folder / SCRAPE.name}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    try:
        with httpx.Client(timeout=30) as http:
            monitor = Monitor(f"http://127.0.0.1:{port}", folder, process, http)
            monitor.until_ready()
            yield monitor
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
