#!/usr/bin/env bash
# The limit of phonenumbers' matcher counts the candidates that are no numbers, and says nothing when it is reached.
#
# Guess:    `max_tries` bounds the work for a text: with 3, at most three candidates are
#           looked at, found or not, and whoever asks can tell a text that was cut short.
# Happens:  numbers that are found do not count, so 50 numbers come out of `max_tries=1`.
#           Reference numbers that are no phones count, so after as many of them the search
#           ends, and a phone number behind them is not found. The result of both looks the
#           same: an iterator that ended.
# Matters:  a limit that is set against long texts bounds nothing in a text full of numbers,
#           and in a text full of order numbers it hides the customer's. Count candidates
#           outside the matcher, and decide there what becomes of the rest.
# Versions: phonenumbers 9.0.43 (PyPI); Python 3.11
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q phonenumbers==9.0.43 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from phonenumbers import PhoneNumberMatcher


def found(text: str, tries: int) -> int:
    return sum(1 for _ in PhoneNumberMatcher(text, "US", max_tries=tries))


phones = ", ".join(f"415-555-{number}" for number in range(2600, 2650))
references = " and ".join(f"0000{number:05}" for number in range(50)) + " call 415-555-2671"
seen = {
    "50 phones, max_tries=1": found(phones, 1),
    "50 references and a phone, max_tries=50": found(references, 50),
    "50 references and a phone, max_tries=51": found(references, 51),
}
expected = dict(zip(seen, (50, 0, 1), strict=True))
print("phonenumbers", version("phonenumbers"))
for what, count in seen.items():
    print(f"{what}: {count} found, expected {expected[what]}")
raise SystemExit(seen != expected)
PYTHON
