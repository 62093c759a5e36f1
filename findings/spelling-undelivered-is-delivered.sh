#!/usr/bin/env bash
# Two spelling correctors turn "undelivered" into "delivered" and "refunded" into "refused".
#
# Guess:    a corrector mends what is no word. Words of commerce such as "refunded", "unsubscribe" and
#           "undelivered" are in its dictionary, or stay as they are because nothing common is near.
# Happens:  the dictionaries of autocorrect and TextBlob lack them, and the nearest known word is the
#           opposite. "I was not refunded" is "I was not refused" in both, "unsubscribe" is
#           "subscribe", an invoice is a voice. pyspellchecker knows these words, and makes
#           "unshipped" "shipped" all the same.
# Matters:  correcting before sentiment, topics or search is a step of many tutorials. The correction
#           is good English, so nobody sees it, and counts of undelivered parcels and unpaid refunds
#           are those of delivered ones. Do not correct what is analyzed; or protect the domain's
#           words, and refuse a correction that only takes a prefix off.
# Versions: autocorrect 2.6.1, textblob 0.20.1, pyspellchecker 0.9.1; Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q autocorrect==2.6.1 textblob==0.20.1 pyspellchecker==0.9.1 \
  >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from autocorrect import Speller
from spellchecker import SpellChecker
from textblob import TextBlob

TEXTS = ["the parcel is undelivered", "we were not refunded", "please unsubscribe me",
         "he uninstalled it", "the order is unshipped", "the invoice is unfulfilled"]
known = {
    "autocorrect": ["the parcel is delivered", "we were not refused", "please subscribe me",
                    "he installed it", "the order is shipped", "the voice is fulfilled"],
    "textblob": ["the parcel is delivered", "we were not refused", "please subscribe me",
                 "he installed it", "the order is shipped", "the voice is unfulfilled"],
    "pyspellchecker": [*TEXTS[:4], "the order is shipped", TEXTS[5]],
}
speller, checker = Speller("en"), SpellChecker()
seen = {
    "autocorrect": [speller(text) for text in TEXTS],
    "textblob": [str(TextBlob(text).correct()) for text in TEXTS],
    "pyspellchecker": [" ".join(checker.correction(word) or word for word in text.split()) for text in TEXTS],
}
for name in seen:
    print(name, version(name))
    for text, corrected in zip(TEXTS, seen[name], strict=True):
        print(f"  expected: {text:28} seen: {corrected}")
sys.exit(0 if seen == known else "the behaviour has changed")
PYTHON
