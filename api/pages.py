"""Pages for people: plain HTML without a script, a style or anything else that would have to be fetched."""

from html import escape
from typing import NamedTuple

from starlette.responses import HTMLResponse, Response

SAFE = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
<p>{words}.</p>
{links}
</body>
</html>
"""


class Link(NamedTuple):
    """A way on from a page."""

    words: str
    address: str


def page(title: str, words: str, *links: Link, status: int = 200) -> Response:
    """A page of one sentence or a few, the last without its full stop."""
    listed = "\n".join(f'<p><a href="{escape(each.address)}">{escape(each.words)}</a></p>' for each in links)
    return HTMLResponse(PAGE.format(title=escape(title), words=escape(words), links=listed), status, SAFE)


def wants_page(accept: str) -> bool:
    """Whether whoever asks is a browser that shows what it gets."""
    return "text/html" in accept.lower()
