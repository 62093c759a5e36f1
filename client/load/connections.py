"""The connections of a load test: one to look on, and one for each request at once."""

from collections.abc import Iterator

import httpx

from client import AsyncClient

LOOK_TIMEOUT = 10.0
TIMEOUT = httpx.Timeout(60, connect=5)
# The server closes an idle connection after 5 seconds; a request that crosses that would count as an error.
LIMITS = httpx.Limits(max_connections=1, keepalive_expiry=2)


def connections(url: str, concurrency: int, key: str | None = None) -> Iterator[AsyncClient]:
    """The one to look on comes first.

    Ten on one pool cost 2.4 ms of CPU a request, with a pool each 1.5. Who looks on shares none of theirs: a
    post that an interruption cut off could keep its one connection, and the last look waited ten seconds in vain.
    """
    tls = httpx.create_ssl_context()
    for timeout in (httpx.Timeout(LOOK_TIMEOUT), *[TIMEOUT] * concurrency):
        # No proxy of the environment: it would be measured instead.
        yield AsyncClient(url, key=key, timeout=timeout, limits=LIMITS, verify=tls, trust_env=False)
