#!/usr/bin/env bash
# A summarizer takes a line in capitals for a heading, so what the customer shouts is never in the summary.
#
# Guess:    sumy's plain-text parser splits a text into sentences, and a summary of as many sentences
#           as there are gives all of them back. Capitals matter to nobody.
# Happens:  each line without a small letter becomes a heading. Headings are no sentences of the
#           document, so no summarizer sees them, however many sentences are asked for. A line that
#           is only a reference such as "REF AB-4711." goes the same way. No warning, no option; the
#           parser's docstring is the only place that says it.
# Matters:  the demand is what customers write in capitals; the summary keeps the greeting and the
#           thanks. Put such lines in lower case before parsing, and count that every line of the
#           text is in the document or among its headings.
# Versions: sumy 0.13.0; Python 3.11. The tokenizer is ours, as sumy's own downloads its data.
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q sumy==0.13.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" -W ignore - <<'PYTHON'
import re, sys
from importlib.metadata import version

from sumy.parsers.plaintext import PlaintextParser
from sumy.summarizers.luhn import LuhnSummarizer

MAIL = """Hello, I wrote to you on Monday.
WHERE IS MY REFUND?
I WANT MY 212 EURO BACK BY FRIDAY.
REF AB-4711.
Thank you for your time.
"""


class Tokenizer:
    def to_sentences(self, paragraph):
        return re.findall(r"[^.?!\n]+[.?!]*", paragraph)

    def to_words(self, sentence):
        return re.findall(r"\w+", sentence)


def summary(text):
    document = PlaintextParser.from_string(text, Tokenizer()).document
    return [str(sentence).strip() for sentence in LuhnSummarizer()(document, 100)]


print("sumy", version("sumy"), "\n" + MAIL)
shouted, calm = summary(MAIL), summary(MAIL.lower())
print("expected: five sentences of five, either way")
print(f"seen:     {len(shouted)}: {shouted}\nseen:     in lower case {len(calm)}")
known = ["Hello, I wrote to you on Monday.", "Thank you for your time."]
sys.exit(0 if shouted == known and len(calm) == 5 else "the behaviour has changed")
PYTHON
