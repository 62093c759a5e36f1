#!/usr/bin/env bash
# A fixed window of `limits` charges for what it refuses: one request too large shuts out all others.
#
# Guess:    hit() takes from the window only when it returns True. With 8 of 10 used, a request of
#           cost 5 is refused, and the two left are there for the next request of cost 1.
# Happens:  the fixed window has added the 5 before it compares, and does not take them back. All
#           that follows is refused until the window ends, also for a cost above the whole limit.
#           The moving window and the sliding counter of the same package leave the rest alone.
# Matters:  cost is how tokens, characters or items of a bulk post are counted, and the fixed window
#           is the default of the packages for Flask and FastAPI that are built on this one. A
#           client that repeats one request too large is shut out for good, and looks like one that
#           sends too much. Refuse a cost above the limit before hit(); take the moving window.
# Versions: limits 5.8.0, in memory; Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q limits==5.8.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

LIMIT = parse("10/day")  # a day, so that no window ends during the run
GUESS = {(8, 5, 1, 1): [True, False, True, True], (11, 1): [False, True]}
print("limits", version("limits"), "\nexpected:", *GUESS.items())
seen = {}
for strategy in (FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter):
    for case, costs in enumerate(GUESS):
        limiter = strategy(MemoryStorage())
        seen[strategy.__name__, case] = [limiter.hit(LIMIT, "client", cost=cost) for cost in costs]
        left = limiter.get_window_stats(LIMIT, "client").remaining
        print(f"seen:     {strategy.__name__}, costs {costs}: {seen[strategy.__name__, case]}, left {left}")

known = [[True, False, False, False], [False, False], *GUESS.values(), *GUESS.values()]
sys.exit(0 if list(seen.values()) == known else "the behaviour has changed")
PYTHON
