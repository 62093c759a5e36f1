#!/usr/bin/env bash
# Whoever writes to a child process that has died catches OSError; on uvloop it is a RuntimeError.
#
# Guess:    uvloop is a drop-in event loop, so a write to the standard input of a child that has
#           died ends as it does on asyncio's own loop: `write` says nothing, and `drain` raises
#           ConnectionResetError, which an `except OSError` catches.
# Happens:  asyncio as guessed. On uvloop `write` itself raises RuntimeError ("the handler is
#           closed") as soon as the loop has seen the end of the pipe. Both know it beforehand:
#           `is_closing()` is true on both.
# Matters:  a supervisor that starts a dead child anew on OSError takes its death for a defect, and
#           only at times: a write before the loop has seen the end passes on both loops. Tests on
#           asyncio's loop never meet it, the server on uvloop does. Ask `is_closing()` first.
# Versions: uvloop 0.23.0; Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q uvloop==0.23.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

cat >"$tmp/write.py" <<'PYTHON'
import asyncio
import sys

import uvloop


async def seen() -> str:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "", stdin=pipe)
    await child.wait()
    while not child.stdin.is_closing():
        await asyncio.sleep(0.01)
    step = "write"
    try:
        child.stdin.write(b"a request\n")
        step = "drain"
        await child.stdin.drain()
    except Exception as error:
        return f"{type(error).__name__} from {step}, an OSError: {isinstance(error, OSError)}"
    return "nothing"


for name, factory in (("asyncio", asyncio.new_event_loop), ("uvloop", uvloop.new_event_loop)):
    with asyncio.Runner(loop_factory=factory) as runner:
        print(f"{name}: {runner.run(asyncio.wait_for(seen(), 30))}")
PYTHON
"$tmp/venv/bin/python" "$tmp/write.py" 2>/dev/null >"$tmp/seen"

echo "expected: ConnectionResetError from drain, an OSError, on both loops"
echo "seen:     uvloop 0.23.0, $("$tmp/venv/bin/python" --version)"
cat "$tmp/seen"
grep -q "^asyncio: ConnectionResetError from drain, an OSError: True$" "$tmp/seen" &&
  grep -q "^uvloop: RuntimeError from write, an OSError: False$" "$tmp/seen" ||
  { echo "the behaviour has changed"; exit 1; }
