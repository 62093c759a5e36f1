#!/usr/bin/env bash
# A JSON repairer reads a model's "−0.8" as 0.8: the worst complaint becomes the best praise.
#
# Guess:    json_repair mends quotes, commas and brackets. A number that starts with a sign JSON
#           does not know (U+2212, or a dash) stays negative, stays a text, or is refused.
# Happens:  the sign is dropped as noise and the digits are kept, so -0.8 becomes the valid number
#           0.8. "~0.8" is exact, "-1 to -0.5" is -1, 14:30 is 14, and a phone
#           number in groups is its first group. npm's jsonrepair, which has the same aim, keeps
#           the sign inside a text, which a schema then refuses.
# Matters:  the value has the right type and lies in the right range, so no schema can object. A
#           minus is what a model writes in a text with typographic signs. Let a strict parser
#           refuse such an answer and ask once more; repair brackets, never numbers.
# Versions: json_repair 0.64.6 (PyPI), jsonrepair 3.15.0 (npm); Python 3.11, Node 20
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q json_repair==0.64.6 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }
npm install --prefix "$tmp" --no-fund --no-audit jsonrepair@3.15.0 >"$tmp/log" 2>&1 ||
  { cat "$tmp/log"; exit 2; }

printf '{"sentiment": %s}\n' $'\u22120.8' $'\u20130.8' '-.8' >"$tmp/answers"
printf '{"sentiment": %s}\n' '~0.8' '-1 to -0.5' >>"$tmp/answers"
printf '{"%s": %s}\n' at 14:30 phone '415 555 2671' >>"$tmp/answers"
cat >"$tmp/repair.js" <<'NODE'
const { jsonrepair } = require("jsonrepair");
const value = (line) => { try { return JSON.stringify(Object.values(JSON.parse(jsonrepair(line)))[0]); }
                          catch { return "refused"; } };
const lines = require("fs").readFileSync(0, "utf8").trim().split("\n");
for (const line of lines) console.log(value(line));
NODE
cat >"$tmp/repair.py" <<'PYTHON'
import json, sys
import json_repair
for line in sys.stdin:
    [value] = json_repair.loads(line).values()
    print(json.dumps(value, ensure_ascii=False))
PYTHON
"$tmp/venv/bin/python" "$tmp/repair.py" <"$tmp/answers" >"$tmp/pypi"
node "$tmp/repair.js" <"$tmp/answers" >"$tmp/npm"

echo "expected: -0.8 in the first three lines, or a text, or refused"
echo "seen:     json_repair 0.64.6, jsonrepair 3.15.0 (npm), answer"
paste "$tmp/pypi" "$tmp/npm" "$tmp/answers"
seen=$(paste -sd' ' "$tmp/pypi")
[ "$seen" = "0.8 0.8 -0.8 0.8 -1 14 415" ] && [ "$(head -n 1 "$tmp/npm")" = '"−0.8"' ] ||
  { echo "the behaviour has changed: $seen"; exit 1; }
