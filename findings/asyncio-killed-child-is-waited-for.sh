#!/usr/bin/env bash
# asyncio waits for ever for a killed child process whose output nobody has read.
#
# Guess:    the manual warns that `await process.wait()` may block a child that writes more than its
#           pipe holds. After `process.kill()` nothing is left to block, so it returns at once.
# Happens:  `process.returncode` is -9 at once, and `wait()` does not return: it waits for the end of
#           every pipe, and a pipe whose reader has paused, because 128 KB wait for somebody to take
#           them, never sees its end. After `await process.stdout.read()` it returns.
# Matters:  a request that streams what a child writes hangs when its client leaves, and with it the
#           shutdown of the service. Kill, read what is left, then wait.
# Versions: Python 3.11.7
# Date:     2026-11-30
set -euo pipefail

python3 - <<'PYTHON'
import asyncio
import sys

WRITES = "import sys\nwhile True: sys.stdout.write('x' * 65536)"


async def waited(process):
    try:
        async with asyncio.timeout(5):
            return await process.wait()
    except TimeoutError:
        return None


async def main():
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITES, stdout=pipe)
    await process.stdout.read(1)
    await asyncio.sleep(1)  # until the reader has paused
    process.kill()
    found = await waited(process)
    known = process.returncode
    left = len(await process.stdout.read())
    return found, known, left, await waited(process)


found, known, left, after = asyncio.run(main())
print("Python", sys.version.split()[0])
print("expected: wait() returns -9 within 5 s of the kill")
print(f"seen:     wait() returned {found} within 5 s, while returncode was {known}")
print(f"          after {left:,} bytes were read it returned {after}")
sys.exit(0 if (found, known, after) == (None, -9, -9) else "the behaviour has changed")
PYTHON
