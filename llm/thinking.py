"""Which models think before they answer, what `reasoning_effort` each one takes, and whether its output cap holds.

Sources: docs.x.ai (models, reasoning) and ai.google.dev (thinking, OpenAI compatibility), November 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Thoughts(StrEnum):
    """Where a model's thoughts go: it has none, or they count against the output cap, or they come on top of it."""

    NONE = "none"
    CAPPED = "capped"
    UNCAPPED = "uncapped"


@dataclass(frozen=True, slots=True)
class Thinking:
    """How one model thinks."""

    efforts: tuple[str, ...] | None
    """The values of `reasoning_effort` that it takes, the cheapest first; None if that is not known.

    A model without any refuses the field.
    """
    thoughts: Thoughts

    def effort(self, configured: str | None) -> str | None:
        """The effort to send: the configured one, else the cheapest; None to leave out the field."""
        return configured or (self.efforts[0] if self.efforts else None)

    def takes(self, configured: str | None) -> bool:
        """Whether the model takes the configured effort, as far as is known."""
        return configured is None or self.efforts is None or configured in self.efforts

    def is_unbounded(self, configured: str | None) -> bool:
        """Whether it may think without any parameter of the request that limits it."""
        return self.thoughts is Thoughts.UNCAPPED and self.effort(configured) != "none"

    @property
    def is_capped(self) -> bool:
        """Whether its thoughts count against the output cap."""
        return self.thoughts is Thoughts.CAPPED

    def headroom(self, limit: int) -> int:
        """The tokens that its output cap needs beside the answer; `limit` is what was configured, 0 if nothing was."""
        return (limit or CAPPED_THOUGHTS) if self.is_capped else 0


CAPPED_THOUGHTS = 4_096
"""Room for the thoughts of an answer at effort `low`. At `medium`, 478 tokens were seen for the shortest answer."""

_THREE = ("low", "medium", "high")
_GROK = Thinking((*_THREE, "xhigh"), Thoughts.UNCAPPED)
_SILENT_GROK = Thinking((), Thoughts.UNCAPPED)
_PLAIN = Thinking((), Thoughts.NONE)
_GEMINI = Thinking(_THREE, Thoughts.CAPPED)
_UNKNOWN = Thinking(None, Thoughts.UNCAPPED)
_UNKNOWN_GEMINI = Thinking(None, Thoughts.CAPPED)

MODELS: Mapping[str, Thinking] = {
    "grok": Thinking(("none", *_THREE), Thoughts.UNCAPPED),
    "grok-4.7": _GROK,
    "grok-4.6": _GROK,
    "grok-4.5": Thinking(_THREE, Thoughts.UNCAPPED),
    "grok-4.3": Thinking(("none", *_THREE), Thoughts.UNCAPPED),
    # These think and answer 400 to the field, whatever its value.
    "grok-4.20": _SILENT_GROK,
    "grok-4.20-reasoning": _SILENT_GROK,
    "grok-4.20-0309-reasoning": _SILENT_GROK,
    "grok-build-0.1": _SILENT_GROK,
    "grok-4.20-non-reasoning": _PLAIN,
    "grok-4.20-0309-non-reasoning": _PLAIN,
    "gemini-3.5-flash-lite": _PLAIN,
    "gemini-3.1-flash-lite": _PLAIN,
    "gemini-flash-lite": _PLAIN,
    "gemini-3.5-flash": _GEMINI,
    "gemini-3.6-flash": _GEMINI,
    "gemini-3.7-flash": _GEMINI,
    "gemini-3.8-flash": _GEMINI,
    "gemini-flash": _GEMINI,
    "gemini-3.1-pro-preview": Thinking(("low", "high"), Thoughts.CAPPED),
    "gemini-4-argon": _GEMINI,
    "gemini-4-hydrogen": _GEMINI,
}


def thinking_of(model: str) -> Thinking:
    """How the model thinks, with or without `-latest`. A model that is not listed may think."""
    name = model.removesuffix("-latest")
    return MODELS.get(name, _UNKNOWN_GEMINI if name.startswith("gemini-") else _UNKNOWN)
