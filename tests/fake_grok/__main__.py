"""`python -m tests.fake_grok`: a Grok on loopback, until it is told to stop."""

import argparse
import json
import signal
import sys
from contextlib import suppress
from queue import Empty, SimpleQueue

from benchmarks.support.serving import Served, served
from tests.fake_grok.server import KEY, FakeGrok


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_grok", description="A Grok on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--latency", type=float, default=0, help="seconds that every answer takes")
    parser.add_argument("--key", default=KEY, help="the API key that is right (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the dice that faults are thrown with")
    options = parser.parse_args()
    orders: SimpleQueue[float | None] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: orders.put(None))
    fake = FakeGrok(key=options.key, latency=options.latency, seed=options.seed, on_outage=orders.put)
    with served(fake, port=options.port, grace=0) as server:
        sys.stdout.write(json.dumps({"url": f"{server.url}/v1", "port": server.port}) + "\n")
        sys.stdout.flush()
        serve(server, orders)


def serve(server: Served, orders: "SimpleQueue[float | None]") -> None:
    """Until the order None; a number is for how many seconds to be gone."""
    while (outage := orders.get()) is not None:
        server.stop()
        with suppress(Empty):
            if orders.get(timeout=outage) is None:
                return
        server.start()


if __name__ == "__main__":
    main()
