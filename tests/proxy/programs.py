"""Caddy and nginx as processes with the configurations of `deploy/proxy`, on ports of this machine's loopback."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.support.process import ROOT, free_port

KINDS = ("caddy", "nginx")
NEEDED = (*KINDS, "curl", "openssl")
"""Debian's packages of these names."""
HOST = "localhost"
DEPLOY = ROOT / "deploy" / "proxy"
SECONDS = 30

NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/nginx.main.log;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi; uwsgi_temp_path {folder}/uwsgi;
    include {folder}/site.conf;
}}
"""


def missing() -> list[str]:
    """The programs that are not installed. Debian has /usr/sbin in no user's PATH."""
    return [name for name in NEEDED if shutil.which(name, path=_path()) is None]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin"


@dataclass(frozen=True)
class Wanted:
    """How a proxy is set up; where a value is None, the configuration's own counts."""

    upstream: int
    """The port."""
    prefix: str = ""
    removes: bool = False
    """Whether it removes the prefix."""
    read_seconds: int | None = None
    idle_seconds: int | None = None
    dashboard: int | None = None
    """The port of the dashboard, if there is one."""


@dataclass
class Proxy:
    """A running proxy."""

    port: int
    plain_port: int
    folder: Path
    certificate: Path
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """As a page of the service's own would send it."""
        return f"https://{HOST}:{self.port}"

    @property
    def tls(self) -> ssl.SSLContext:
        """Trusts the certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def client(self, address: str = "127.0.0.1", **given: Any) -> httpx.Client:
        """A client of the proxy that comes from an address of the loopback's."""
        transport = httpx.HTTPTransport(verify=self.tls, local_address=address)
        self.clients.append(httpx.Client(base_url=self.origin, transport=transport, timeout=60, **given))
        return self.clients[-1]

    @property
    def written(self) -> str:
        """Everything that is in its logs."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


@contextmanager
def running(kind: str, wanted: Wanted, folder: Path) -> Iterator[Proxy]:
    """The program in front of a port; it stops within ten seconds at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    proxy = Proxy(free_port(), free_port(), folder, _certificate(folder))
    command, environ = (_caddy if kind == "caddy" else _nginx)(proxy, wanted)
    with (folder / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command, env={"PATH": _path(), **environ}, cwd=folder, stdout=output, stderr=output
        )
    try:
        _until_listening(process, proxy)
        yield proxy
    finally:
        for client in proxy.clients:
            client.close()
        process.send_signal(signal.SIGQUIT if kind == "nginx" else signal.SIGTERM)
        try:
            process.wait(SECONDS)
        finally:
            process.kill()


def _certificate(folder: Path) -> Path:
    made, key = folder / "made.pem", folder / "made.key"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {made} -days 2 -subj /CN={HOST}"
    subprocess.run(
        [*command.split(), "-addext", f"subjectAltName=DNS:{HOST}"], check=True, capture_output=True
    )
    return made


def _caddy(proxy: Proxy, wanted: Wanted) -> tuple[list[str], Mapping[str, str]]:
    text = _replaced((DEPLOY / "Caddyfile").read_text(), {"\n{\n": "\n{\n\tdefault_bind 127.0.0.1\n"})
    (proxy.folder / "Caddyfile").write_text(text)
    environ = {
        "HOME": str(proxy.folder),
        "CADDY_ADMIN": "off",
        "PUBLIC_HOST": HOST,
        "HTTP_PORT": str(proxy.plain_port),
        "HTTPS_PORT": str(proxy.port),
        "TLS": f"tls {proxy.certificate} {proxy.folder}/made.key",
        "UPSTREAM": f"127.0.0.1:{wanted.upstream}",
        "ACCESS_LOG": f"file {proxy.folder}/access.log",
        "DASHBOARD": f"127.0.0.1:{wanted.dashboard}" if wanted.dashboard else "",
        "ROOT_PATH": wanted.prefix,
        "HANDLE": "handle_path" if wanted.removes else "",
        "READ_TIMEOUT": f"{wanted.read_seconds}s" if wanted.read_seconds else "",
        "UPSTREAM_IDLE": f"{wanted.idle_seconds}s" if wanted.idle_seconds else "",
    }
    given = {name: value for name, value in environ.items() if value}
    return ["caddy", "run", "--config", str(proxy.folder / "Caddyfile")], given


def _nginx(proxy: Proxy, wanted: Wanted) -> tuple[list[str], Mapping[str, str]]:
    folder = proxy.folder
    changes = {
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{wanted.upstream};",
        "listen 80;": f"listen 127.0.0.1:{proxy.plain_port};",
        "listen 443 ssl": f"listen 127.0.0.1:{proxy.port} ssl",
        "server_name insights.example.com;": f"server_name {HOST};",
        "/etc/ssl/insights.pem": str(proxy.certificate),
        "/etc/ssl/insights.key": f"{folder}/made.key",
        "/var/log/nginx/insights.log": f"{folder}/access.log",
        "/var/log/nginx/insights.error.log": f"{folder}/error.log",
    }
    if wanted.dashboard:
        changes["server 127.0.0.1:8501;"] = f"server 127.0.0.1:{wanted.dashboard};"
    if wanted.prefix:
        changes["location / {"] = f"location {wanted.prefix}/ {{"
    if wanted.removes:
        changes["proxy_pass http://insights;"] = "proxy_pass http://insights/;"
    if wanted.read_seconds:
        changes["proxy_read_timeout 90s"] = f"proxy_read_timeout {wanted.read_seconds}s"
    if wanted.idle_seconds:
        changes["keepalive_timeout 60s"] = f"keepalive_timeout {wanted.idle_seconds}s"
    (folder / "site.conf").write_text(_replaced((DEPLOY / "nginx.conf").read_text(), changes))
    user = "" if os.geteuid() else "user root;"
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
    return ["nginx", "-p", str(folder), "-e", f"{folder}/start.log", "-c", f"{folder}/nginx.conf"], {}


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def _until_listening(process: "subprocess.Popen[bytes]", proxy: Proxy) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", proxy.port)).close()
            return
        except OSError:
            assert process.poll() is None, proxy.written
            assert time.monotonic() < deadline, proxy.written
            time.sleep(0.1)
