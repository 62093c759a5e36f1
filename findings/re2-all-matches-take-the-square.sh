#!/usr/bin/env bash
# RE2 takes linear time for one match; for all matches of a text it can take the square.
#
# Guess:    RE2 promises time in proportion to the text, so replacing every match of an
#           untrusted pattern is safe at any length: twice the text, twice the time.
# Happens:  with `a.*b|a` on a text of nothing but `a`, each search reads to the end for a `b`
#           before it settles for one `a`, and the next begins one character later. Twice the
#           text takes nearly four times as long: 0.1 to 0.2 s for 10,000 characters, 0.4 to
#           0.9 s for 20,000.
# Matters:  it is no exponential blow-up, so RE2 is still the library to take for patterns that
#           others write. But the length of the text has to be limited too, and long texts
#           belong into a thread, or one post keeps an event loop busy for seconds.
# Versions: google-re2 1.1.20251105; Python 3.11
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q google-re2==1.1.20251105 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/pip" list 2>/dev/null | grep -i re2
"$tmp/venv/bin/python" - <<'PYTHON'
import sys
import time

import re2

PATTERN = re2.compile("a.*b|a")


def seconds(length: int) -> float:
    """The fastest of three runs over so many characters, CPU time."""
    times = []
    for _ in range(3):
        started = time.thread_time()
        found = sum(1 for _ in PATTERN.finditer("a" * length))
        times.append(time.thread_time() - started)
        assert found == length
    return min(times)


half, whole = seconds(10_000), seconds(20_000)
print(f"10,000 characters: {half:.2f} s, 20,000 characters: {whole:.2f} s")
print(f"  expected: about 2 times as long\n  seen:     {whole / half:.1f} times as long")
sys.exit(0 if whole / half > 3 else "the behaviour has changed")
PYTHON
