"""Child processes that serve one task: started, written to, and ended for certain."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast


async def start_child(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], limit: int
) -> asyncio.subprocess.Process:
    """Start a child with pipes for its input and output; `limit` is how many bytes of a line may wait to be read.

    One that is being started while the caller is cancelled is ended, not left behind. Raises OSError.
    """
    pipe = asyncio.subprocess.PIPE
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, limit=limit
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):
            await end_child(await starting)
        raise


async def end_child(child: asyncio.subprocess.Process) -> None:
    """Kill a child whose output nobody else is reading, and wait until it is gone."""
    with suppress(ProcessLookupError):
        child.kill()
    # asyncio's `wait` returns once the pipes are closed, and does not see that of a pipe that nobody reads.
    await cast(asyncio.StreamReader, child.stdout).read()
    await child.wait()


async def send_to_child(pipe: asyncio.StreamWriter, data: bytes) -> None:
    """Write to a child and wait until the pipe has room.

    Raises ConnectionResetError or another OSError where the child has died. Asked first, because uvloop 0.23 raises
    RuntimeError for a write to a pipe that it has seen closed; asyncio's own loop raises an OSError from `drain`.
    """
    if pipe.is_closing():
        raise ConnectionResetError("the child has closed its input")
    pipe.write(data)
    await pipe.drain()
