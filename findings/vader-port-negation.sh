#!/usr/bin/env bash
# The npm port of VADER and the Python original give one complaint opposite signs.
#
# Guess:    both ship one lexicon and one set of rules, so a browser and a server agree to
#           the fourth decimal.
# Happens:  the port knows "not" in lower case only, and takes "no" for a bad word instead of
#           a negation. "Not happy" is praise there, and "no complaints" is a complaint. With
#           "not" in lower case, shouting and exclamation marks both agree exactly.
# Matters:  a check on a few sentences passes; later a dashboard that scores in the browser
#           contradicts the service. Complaints often open with "Not". Score in one place,
#           and show that score.
# Versions: vaderSentiment 3.3.2 (PyPI), vader-sentiment 1.1.3 (npm); Python 3.11, Node 20
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q vaderSentiment==3.3.2 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }
npm install --prefix "$tmp" --no-fund --no-audit vader-sentiment@1.1.3 >"$tmp/log" 2>&1 ||
  { cat "$tmp/log"; exit 2; }

cat >"$tmp/sentences" <<'TEXT'
Not happy with this refund
not happy with this refund
Not helpful
We had no complaints about the driver
The agent was VERY rude!!!
Great, another delay
TEXT
cat >"$tmp/score.js" <<'NODE'
const { SentimentIntensityAnalyzer: vader } = require("vader-sentiment");
const lines = require("fs").readFileSync(0, "utf8").trim().split("\n");
for (const line of lines) console.log(vader.polarity_scores(line).compound.toFixed(4));
NODE
cat >"$tmp/score.py" <<'PYTHON'
import sys
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
vader = SentimentIntensityAnalyzer()
for line in sys.stdin:
    print(f"{vader.polarity_scores(line)['compound']:.4f}")
PYTHON
node "$tmp/score.js" <"$tmp/sentences" >"$tmp/npm"
"$tmp/venv/bin/python" "$tmp/score.py" <"$tmp/sentences" >"$tmp/pypi"

echo "expected: the two columns are equal"
echo "seen:     vaderSentiment 3.3.2, vader-sentiment 1.1.3 (npm), sentence"
paste "$tmp/pypi" "$tmp/npm" "$tmp/sentences" | tee "$tmp/seen"
signs=$(awk -F'\t' '{ print ($1 * $2 < 0) ? "opposite" : ($1 == $2) ? "equal" : "near" }' "$tmp/seen")
[ "$(echo $signs)" = "opposite equal opposite opposite equal equal" ] ||
  { echo "the behaviour has changed: $signs"; exit 1; }
