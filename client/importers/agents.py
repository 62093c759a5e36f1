"""Who speaks for the company, where a file has nothing but names for it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from client.importers.files import Unreadable
from client.importers.roles import AGENT, CUSTOMER

MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""What tells the direction of a text, and is no part of a name."""
MOST_SPEAKERS, SHOWN_SPEAKERS = 1_000, 12


def plain_name(name: str) -> str:
    """A name without marks of direction and with single spaces, as people would compare it."""
    return " ".join(MARKS.sub("", name).split())


@dataclass(slots=True)
class Agents:
    """Who speaks for the company: names, ids, addresses or `@domain`, as `--agent` was given them."""

    named: Sequence[str] = ()
    met: set[str] = field(default_factory=set)
    """Those of them that spoke."""
    others: Counter[str] = field(default_factory=Counter)
    """The first of those who are not among them."""
    _known: frozenset[str] | None = None

    def role_of(self, *names: str | None) -> str:
        """The role of somebody with these names; the first one is shown where it has to be told who speaks."""
        keys = [plain_name(name).casefold() for name in names if name]
        domains = [f"@{key.rpartition('@')[2]}" for key in keys if "@" in key]
        found = self.known.intersection(keys + domains)
        self.met |= found
        if not found and keys and (names[0] in self.others or len(self.others) < MOST_SPEAKERS):
            self.others[str(names[0])] += 1
        return AGENT if found else CUSTOMER

    @property
    def known(self) -> frozenset[str]:
        """What was given, to compare with."""
        if self._known is None:
            self._known = frozenset(plain_name(name).casefold() for name in self.named)
        return self._known

    @property
    def silent(self) -> Sequence[str]:
        """Those that were given and have not spoken, as they were given."""
        return [name for name in self.named if plain_name(name).casefold() not in self.met]

    def check(self, *, may_be_silent: bool) -> None:
        """Raises Unreadable where nobody who spoke was named as an agent: every word would be a customer's.

        Agents that were named may be silent where a file need not hold both sides.
        """
        if self.met or not self.others or (self.named and may_be_silent):
            return
        shown = ", ".join(ascii(name)[1:-1] for name, _ in self.others.most_common(SHOWN_SPEAKERS))
        why = "none of those named with --agent speaks" if self.named else "nothing says who is an agent"
        raise Unreadable(f"{why}: name them with --agent. Those who speak: {shown}")
