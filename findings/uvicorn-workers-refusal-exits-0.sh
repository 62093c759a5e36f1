#!/usr/bin/env bash
# uvicorn --workers ends with exit code 0 when the application refuses to start.
#
# Guess:    an application that cannot start (a bad setting, a port, a file in use) ends the server with
#           an exit code other than 0, with several workers as with one: the one that it exits with,
#           or uvicorn's own 3.
# Happens:  with one process the code is the application's. With --workers 2 it is 0 if the application
#           exits with 3; with any other code, 1 and 2 among them, uvicorn starts it again, for ever.
#           The parent never imports the application, so nothing in it can refuse before the fork, and
#           the exit code of a child goes no further than its log line.
# Matters:  systemd (Restart=on-failure), a container's restart policy, a deployment's script and CI take
#           a refused start for a clean end, or see a service that never ends and never answers. An
#           application that has to refuse several processes should exit with 3 where it has a parent
#           process (multiprocessing.parent_process()), say why in a line, and be started by a program
#           of its own where the exit code matters.
# Versions: uvicorn 0.54.0, Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q uvicorn==0.54.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }
cat >"$tmp/refusing.py" <<'PYTHON'
import os

raise SystemExit(int(os.environ["CODE"]))
PYTHON
cd "$tmp"

ended_with() { # CODE, then the arguments
    local code=0
    CODE=$1 timeout 10 venv/bin/python -m uvicorn refusing:app --port 0 "${@:2}" >"$tmp/said" 2>&1 || code=$?
    echo "$code"
}

echo "uvicorn $("$tmp/venv/bin/python" -c 'import uvicorn; print(uvicorn.__version__)'), $("$tmp/venv/bin/python" -V)"
echo "expected: an application that exits with 2 or 3 ends uvicorn with a code other than 0, with one process or two"
one=$(ended_with 2)
three=$(ended_with 3 --workers 2)
echo "seen: one process, exit code 2 in the application: $one"
echo "seen: two processes, exit code 3 in the application: $three"
two=$(ended_with 2 --workers 2)
deaths=$(grep -c "died" "$tmp/said" || true)
echo "seen: two processes, exit code 2 in the application: $deaths children died in 10 s, then the script ended it ($two)"
[ "$one" = 2 ] && [ "$three" = 0 ] && [ "$deaths" -gt 4 ]
