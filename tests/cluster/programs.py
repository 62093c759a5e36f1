"""Two PostgreSQL under Patroni, etcd, HAProxy and PgBouncer, on loopback, with the configurations of deploy/cluster.

As on hosts of their own, each PostgreSQL has an address of its own, and every port is the one of the configurations.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

from benchmarks.support.process import ROOT

NEEDED = "patroni etcd haproxy pgbouncer"
DEBIAN = "patroni python3-etcd etcd-server haproxy pgbouncer postgresql-15"
CONFIGURATIONS = ROOT / "deploy" / "cluster"
OWNER = "postgres"
"""Whose processes they are: PostgreSQL and PgBouncer refuse root."""
AS_OWNER = () if os.geteuid() else ("setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups")
BIN = Path("/usr/lib/postgresql/15/bin")
PATH = f"{BIN}:/usr/sbin:/usr/bin:/bin"
ETCD = "127.0.1.10"
NODES = {"db1": "127.0.1.1", "db2": "127.0.1.2"}
PASSWORD = "of-the-test"
START_SECONDS = 120


def missing() -> list[str]:
    """The programs that are not installed here."""
    found = [name for name in NEEDED.split() if shutil.which(name, path=PATH) is None]
    return found if BIN.exists() else [*found, "postgresql-15"]


@dataclass
class Cluster:
    """The programs that run; each ends with the cluster."""

    folder: Path
    _processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start_etcd(self) -> None:
        """One etcd, whose addresses stand in for those of three hosts."""
        client, peer = f"http://{ETCD}:2379", f"http://{ETCD}:2380"
        written = (line for line in _lines("etcd.env") if not line.startswith("#"))
        environ = dict(line.split("=", 1) for line in written) | {
            "ETCD_DATA_DIR": str(self.folder / "etcd"),
            "ETCD_LISTEN_CLIENT_URLS": client,
            "ETCD_ADVERTISE_CLIENT_URLS": client,
            "ETCD_LISTEN_PEER_URLS": peer,
            "ETCD_INITIAL_ADVERTISE_PEER_URLS": peer,
            "ETCD_INITIAL_CLUSTER": f"db1={peer}",
            "ETCD_UNSUPPORTED_ARCH": "arm64",
        }
        self._start("etcd", ["etcd"], environ)
        _until(lambda: _status(f"{client}/health") == 200, "etcd")

    def start_node(self, name: str) -> None:
        """A PostgreSQL with its Patroni."""
        where = NODES[name]
        environ = {
            "PATRONI_NAME": name,
            "PATRONI_ETCD3_HOSTS": f"{ETCD}:2379",
            "PATRONI_RESTAPI_LISTEN": f"{where}:8008",
            "PATRONI_RESTAPI_CONNECT_ADDRESS": f"{where}:8008",
            "PATRONI_POSTGRESQL_LISTEN": f"{where}:5432",
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"{where}:5432",
            "PATRONI_POSTGRESQL_DATA_DIR": str(self.folder / name / "data"),
            "PATRONI_POSTGRESQL_PGPASS": str(self.folder / name / "pgpass"),
            **{f"PATRONI_{who}_PASSWORD": PASSWORD for who in ("SUPERUSER", "REPLICATION", "REWIND")},
        }
        (self.folder / name).mkdir(exist_ok=True)
        shutil.chown(self.folder / name, OWNER)
        self._start(name, ["patroni", str(CONFIGURATIONS / "patroni.yml")], environ)

    def start_balancer(self) -> None:
        """HAProxy before both."""
        environ = {name.upper(): address for name, address in NODES.items()}
        self._start("haproxy", ["haproxy", "-db", "-f", str(CONFIGURATIONS / "haproxy.cfg")], environ)

    def start_pooler(self) -> None:
        """PgBouncer before HAProxy."""
        (self.folder / "userlist.txt").write_text(f'"insights" "{PASSWORD}"\n')
        self._start("pgbouncer", ["pgbouncer", str(CONFIGURATIONS / "pgbouncer.ini")], {})

    def until_replicated(self) -> None:
        """Wait until there is a primary, and a standby that commits wait for."""
        _until(
            lambda: any(_status(f"http://{each}:8008/sync") == 200 for each in NODES.values()), "a standby"
        )

    def until_led(self) -> str:
        """Wait until there is a primary; its name."""
        _until(lambda: self.leader is not None, "a primary")
        return self.leader or ""

    @property
    def leader(self) -> str | None:
        """Which one is the primary."""
        led = (name for name, where in NODES.items() if _status(f"http://{where}:8008/primary") == 200)
        return next(led, None)

    def kill(self, name: str) -> None:
        """Kill a PostgreSQL and its Patroni, without a word to anybody."""
        patroni = psutil.Process(self._processes[name].pid)
        postmaster = (self.folder / name / "data" / "postmaster.pid").read_text().split()[0]
        for process in (patroni, psutil.Process(int(postmaster))):
            process.kill()
        self._processes.pop(name).wait(10)

    def create_database(self) -> None:
        """The service's role and database, on the primary."""
        where = f"host={NODES[self.until_led()]} user=postgres password={PASSWORD} dbname=postgres"
        for statement in (
            f"CREATE ROLE insights LOGIN PASSWORD '{PASSWORD}'",
            "CREATE DATABASE insights OWNER insights",
        ):
            command = [str(BIN / "psql"), "-X", "-q", "-d", where, "-c", statement]
            subprocess.run(command, check=True)

    def said(self) -> str:
        """The ends of all that they wrote."""
        return "\n".join(f"{file.name}: {file.read_text()[-2000:]}" for file in self.folder.glob("*.log"))

    def end(self) -> None:
        """End all of them."""
        for process in reversed([*self._processes.values()]):
            process.terminate()
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        # A PostgreSQL outlives its Patroni.
        for each in psutil.process_iter(["cmdline"]):
            if str(self.folder) in " ".join(each.info["cmdline"] or ()):
                each.kill()

    def _start(self, name: str, command: list[str], environ: Mapping[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [*AS_OWNER, *command],
                cwd=self.folder,
                env={"PATH": PATH, "HOME": str(self.folder), "LC_ALL": "C.UTF-8", **environ},
                stdout=output,
                stderr=output,
            )


@contextmanager
def running() -> Iterator[Cluster]:
    """All of them, gone after the block."""
    with (
        TemporaryDirectory(prefix="insights-cluster-", ignore_cleanup_errors=True) as folder,
        ExitStack() as stack,
    ):
        shutil.chown(folder, OWNER)
        cluster = Cluster(Path(folder))
        stack.callback(cluster.end)
        try:
            cluster.start_etcd()
            cluster.start_node("db1")
            cluster.until_led()
            cluster.start_node("db2")
            cluster.until_replicated()
            cluster.create_database()
            cluster.start_balancer()
            cluster.start_pooler()
            yield cluster
        except BaseException:
            sys.stderr.write(cluster.said())
            raise


def _lines(name: str) -> list[str]:
    return (CONFIGURATIONS / name).read_text().splitlines()


def _status(url: str) -> int:
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=3, trust_env=False).status_code
    return 0


def _until(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not there after {START_SECONDS} s")
        time.sleep(0.2)
