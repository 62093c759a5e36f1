"""What xAI's Batch API takes at most, and how long what it says needs to settle.

Sources: docs.x.ai/docs/guides/batch-api (stored copy of 2026) for the sizes and rates; a gateway's research note with
live captures of 2026-08-28 and 29 for what is marked measured.
"""

from core.clock import SECOND

ADD_BYTES = 25_000_000
"""Of one call that adds requests, and of one request."""
CALL_BYTES = 8_000_000
"""What we put into one call. A call that got no answer is sent again, so it should not take minutes."""
CREATIONS_A_SECOND = 2
"""Batches that a team may create."""
ADDS_IN_30_SECONDS = 1_000
"""Calls to add requests that a team may make."""
PAGE = 50
"""Rows that we ask for at once; 100 is the default and 1,000 the most (measured).

A row of 256 conversations has up to 160 KB, and `llm/transport.py` reads no answer over 10 MB.
"""
LIST_PAGE = 1_000
"""Batches that we ask for at once: the most (measured)."""
SETTLING = 30 * SECOND
"""How long two readings of a cancelled batch must agree, in microseconds. One read 5 cancelled, and 20 s later 5
answered with all their rows (measured)."""
