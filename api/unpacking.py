"""Request bodies with `Content-Encoding: gzip`."""

import zlib

from api.errors import ApiError
from schemas import Code

GZIP_ONLY = 16 + zlib.MAX_WBITS
MAX_MEMBERS = 1_000
"""An empty member is 20 bytes, and starting one takes 5 us: 16 MB of them would take 4 s."""


class Gunzip:
    """Unpacks one body, chunk by chunk, and stops one byte above `limit`: a megabyte can unpack to a gigabyte."""

    def __init__(self, limit: int) -> None:
        self._room = limit + 1
        self._members = 0
        self._next_member()

    def unpack(self, chunk: bytes, *, last: bool) -> bytes:
        """The content of the next chunk. Raises ApiError 400 for what is not gzip, or ends early."""
        content = bytearray()
        try:
            while chunk and self._room:
                content += self._step(chunk)
                chunk = self._member.unused_data
        except zlib.error:
            raise _not_gzip() from None
        if last and self._room and not self._member.eof:
            raise _not_gzip()
        return bytes(content)

    def _step(self, chunk: bytes) -> bytes:
        if self._member.eof:
            self._next_member()
        content = self._member.decompress(chunk, self._room)
        self._room -= len(content)
        return content

    def _next_member(self) -> None:
        self._member = zlib.decompressobj(GZIP_ONLY)
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise ApiError(Code.PAYLOAD_TOO_LARGE, "The body has too many gzip members")


def _not_gzip() -> ApiError:
    return ApiError(Code.INVALID_SCHEMA, "The body is not valid gzip, which Content-Encoding says it is")
