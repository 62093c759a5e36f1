"""Quoting: what a provider says about a request, without the words of the conversations that the request carried."""

import json
import re

from llm.offline.stop_words import STOP_WORDS
from llm.prompts import json_text

WORD = re.compile(r"\w+")
ESCAPE = re.compile(r"\\(?:u[0-9a-f]{4}|.)")
SHORT = 3
"""Words of up to so many letters are part of many others, so that finding them there says nothing."""
MASK = "..."


def quoted(said: str, body: bytes) -> str:
    """`said`, with a mask for each word of the messages in a request's `body`; names of its fields and "the" stay.

    A provider may repeat what it was sent, and it may cut it anywhere: a part of a longer word is masked as well.
    """
    request = json.loads(body)
    private = ESCAPE.sub(" ", request.pop("messages")[-1]["content"].casefold())
    own, words = STOP_WORDS | set(_words(json_text(request))), set(_words(private))

    def masked(found: re.Match[str]) -> str:
        word = found[0].casefold()
        is_private = word in words or (len(word) > SHORT and word in private)
        return MASK if is_private and word not in own else found[0]

    return WORD.sub(masked, said)


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold())
