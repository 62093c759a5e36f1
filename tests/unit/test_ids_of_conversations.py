"""Conversations are looked for by their ids in one module alone: elsewhere a partitioned database reads every month."""

import re

from tests.support.product import ROOT

LOOKS = re.compile(r"\b(?:conversations\.c|_?[cC])\.(?:id|external_id|idempotency_key)(?: ==|\.in_\()")
THE_MODULE = ROOT / "store" / "conversations" / "by_id.py"


def test_nobody_else_looks_for_an_id() -> None:
    assert LOOKS.search(THE_MODULE.read_text())
    modules = {path for path in (ROOT / "store").rglob("*.py") if path != THE_MODULE}
    found = [str(path) for path in modules if LOOKS.search(path.read_text())]
    assert not found, f"use store/conversations/by_id.py in {', '.join(found)}"
