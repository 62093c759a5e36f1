#!/usr/bin/env bash
# stamina waits out a Retry-After that is longer than its timeout, and then asks once more.
#
# Guess:    timeout is the most that a call may take with all its retries, and wait_max the most
#           between two. With timeout=1 a server's "retry after 3 seconds" ends the call at once, or
#           after 1 second.
# Happens:  seconds that the `on` hook returns are taken as they are: wait_max does not bound them,
#           and the timeout is looked at before the wait, not after it. The second attempt starts
#           after 3 seconds. The library's own backoff is bounded by both.
# Matters:  a server in maintenance that says 3,600 holds a program for an hour that was given 60
#           seconds, with its connections and locks. Compare the server's seconds with what is left
#           before you hand them over, and give up when they are more.
# Versions: stamina 26.1.0; Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q stamina==26.1.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" - <<'PYTHON'
import sys, time
from importlib.metadata import version

import stamina

stamina.instrumentation.set_on_retry_hooks([])


def attempts(on):
    """When each attempt began, in seconds, and when the call ended."""
    begun = time.monotonic()
    moments = []
    try:
        for attempt in stamina.retry_context(on=on, attempts=None, timeout=1, wait_max=0.5):
            with attempt:
                moments.append(time.monotonic() - begun)
                raise ConnectionError
    except ConnectionError:
        return moments, time.monotonic() - begun


print("stamina", version("stamina"), "with timeout=1, wait_max=0.5")
own, own_end = attempts(ConnectionError)
told, told_end = attempts(lambda error: 3.0)
print(f"own backoff:  {len(own)} attempts, ended after {own_end:.1f} s")
print(f"expected: told to wait 3 s: 1 attempt, ended within 1 s")
print(f"seen:     told to wait 3 s: {len(told)} attempts, the last after {told[-1]:.1f} s, ended after {told_end:.1f} s")
unchanged = len(told) == 2 and told[-1] >= 3 and own_end < 2
sys.exit(0 if unchanged else "the behaviour has changed")
PYTHON
