"""Writing to the standard input of a child process."""

from asyncio import StreamWriter


async def send(pipe: StreamWriter, data: bytes) -> None:
    """Write to a child process and wait until the pipe has room.

    Raises ConnectionResetError or another OSError where the child has died. Asked first, because uvloop 0.23 raises
    RuntimeError for a write to a pipe that it has seen closed; asyncio's own loop raises an OSError from `drain`.
    """
    if pipe.is_closing():
        raise ConnectionResetError("the child has closed its input")
    pipe.write(data)
    await pipe.drain()
