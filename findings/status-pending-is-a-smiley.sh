#!/usr/bin/env bash
# "status:pending" holds a smiley: one library cuts it out of the text, another counts it as joy.
#
# Guess:    a smiley stands between spaces. A label before its value, "status:pending" or "Gate:D5",
#           has none.
# Happens:  AFINN with emoticons=True finds ":p" inside it and scores the line +3, as much as "happy";
#           "row 8)" is +2 for its "8)". tweet-preprocessor's clean() takes ":p", ":D", ":S" out in
#           the middle of words, whatever their case: "statusending", "Gate5". By default it also
#           drops amounts ("12.50") and the hour of a time.
# Matters:  help desks, forms and bots write label:value in every ticket, so the mood of a queue
#           depends on its forms, and order numbers and prices are gone before anybody counts them.
#           Take smileys only where a space or the end of the text is on both sides.
# Versions: afinn 0.1, tweet-preprocessor 0.6.0; Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q afinn==0.1 tweet-preprocessor==0.6.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import preprocessor
from afinn import Afinn

KNOWN = {  # text: (AFINN's score, what clean() leaves)
    "Order status:pending": (3, "Order statusending"),
    "Gate:D5": (0, "Gate5"),
    "Re:order of Monday": (None, "Rerder of Monday"),
    "Seats in row 8) and row 9)": (2, None),
    "I paid 12.50 for it": (0, "I paid for it"),
    "The bus of 8:05 was late": (None, "The bus of :05 was late"),
}
afinn = Afinn(emoticons=True)
print("afinn", version("afinn") + ", tweet-preprocessor", version("tweet-preprocessor"))
changed = False
for text, known in KNOWN.items():
    seen = afinn.score(text), preprocessor.clean(text)
    print(f"expected: 0, {text!r}\nseen:     {seen[0]:.0f}, {seen[1]!r}")
    changed |= any(value is not None and value != now for value, now in zip(known, seen, strict=True))
sys.exit("the behaviour has changed" if changed else 0)
PYTHON
