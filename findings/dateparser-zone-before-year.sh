#!/usr/bin/env bash
# A time with its zone before its year loses the year, and no error says so.
#
# Guess:    dateparser reads what `date` prints, or returns None. Requiring a year makes a
#           date without one None.
# Happens:  with a named zone (GMT) the year is right. With a bare offset (GMT+0530) the
#           offset is right and the year is the current one. With REQUIRE_PARTS=["year"] it
#           gets worse: the 31 of October becomes the year 2031. STRICT_PARSING gives None.
# Matters:  an import of old conversations lands in this year, with the right month, day and
#           offset, so a look at a few rows shows nothing. Trends then show a peak that never
#           was, and retention by age keeps what should be gone.
# Versions: dateparser 1.5.0; Python 3.11; the input is made by `date` itself
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q dateparser==1.5.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

named=$(LC_ALL=C TZ='GMT0' date -d @1509468047)
offset=$(LC_ALL=C TZ='<GMT+0530>-5:30' date -d @1509468047)
"$tmp/venv/bin/python" -W ignore - "$named" "$offset" <<'PYTHON'
import sys
from datetime import datetime

import dateparser

BASE = {"RELATIVE_BASE": datetime(2026, 11, 29)}  # stands for today, so that runs compare
named, offset = sys.argv[1:]
cases = [
    (named, {}, "2017-10-31 16:40:47+00:00", "2017-10-31 16:40:47+00:00"),
    (offset, {}, "2017-10-31 22:10:47+05:30", "2026-10-31 22:10:47+05:30"),
    (offset, {"REQUIRE_PARTS": ["year"]}, "2017-..., or None", "2031-10-29 22:10:47+05:30"),
    (offset, {"STRICT_PARSING": True}, "2017-..., or None", "None"),
]
changed = False
print("dateparser", dateparser.__version__)
for text, settings, guess, known in cases:
    seen = str(dateparser.parse(text, settings=BASE | settings))
    print(f"{text}  {settings or ''}\n  expected: {guess}\n  seen:     {seen}")
    changed |= seen != known
sys.exit("the behaviour has changed" if changed else 0)
PYTHON
