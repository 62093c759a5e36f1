"""Finds e-mail addresses, also those with `%40`, `(at)` and `[dot]`.

Not with a bare "at" and "dot": of the public texts only "only at Target dot com" has them, and that is a web site.
"""

import re
from collections.abc import Iterator

from domain.redaction.detections import Detection

AT = r"(?:[@\uff20]|%40| ?[(\[{<] ?at ?[)\]}>] ?)"
DOT = r"(?:\.| ?[(\[{<] ?dot ?[)\]}>] ?)"
LAST_LABEL = r"(?:[^\W\d_]{2,63}|xn--[\w-]{1,59})"
IN_BRACKETS = r"\[\d{1,3}(?:\.\d{1,3}){3}\]"
"""An IP address in place of a domain."""
# A run is tried at its beginning only and never given back, so the time is in proportion to the text.
EMAIL = re.compile(
    rf"(?<![\w.+'~-])(?P<local>[\w.+'~-]++){AT}(?:(?:[\w-]{{1,63}}{DOT})+{LAST_LABEL}|{IN_BRACKETS})",
    re.IGNORECASE,
)
HINT = re.compile(r"[@\uff20]|%40|[(\[{<] ?at ?[)\]}>]", re.IGNORECASE)
AROUND = ".'~-"
"""Punctuation in front of an address, such as a quotation mark; no address begins with it."""


def find_emails(text: str) -> Iterator[Detection]:
    """Every e-mail address of a text."""
    if HINT.search(text) is None:
        return
    for match in EMAIL.finditer(text):
        local = match["local"]
        begins = len(local) - len(local.lstrip(AROUND))
        if begins < len(local):
            yield Detection(match.start() + begins, match.end(), "email")
