"""Stops: why calls cannot leave, each under a name that log, metrics and alerts share, and in words for `/health`."""

from typing import NamedTuple

KEY_OF = {"grok": "GROK_API_KEY", "gemini": "GEMINI_API_KEY"}
MODEL_OF = {"grok": "GROK_MODEL", "gemini": "GEMINI_MODEL"}

CIRCUIT_OPEN = "circuit_open"
RATE_LIMITED = "rate_limited"
OUTCOMES = {"credentials": "key_refused", "credits": "credits_used_up", "model": "model_refused"}
"""Stops by the outcome of the call that brought them; any other outcome is an open circuit."""


class Stop(NamedTuple):
    """Something that stops analysis, or intake as well."""

    name: str
    reason: str
    provider: str | None = None
    """The provider that gets no calls; None if it is not about one."""


def circuit_stop(reason: str | None, provider: str) -> Stop:
    """The stop behind a circuit that is not closed; `reason` is `OUTCOME: DETAIL`, as the breaker keeps it."""
    outcome, _, detail = (reason or "unknown: no call gets through").partition(": ")
    name = OUTCOMES.get(outcome, CIRCUIT_OPEN)
    words = {
        "key_refused": f"{KEY_OF.get(provider, 'the key')} was refused",
        "credits_used_up": f"{provider} says that credit or a spending limit is used up",
        "model_refused": f"{MODEL_OF.get(provider, 'the model')} was refused",
        CIRCUIT_OPEN: f"calls to {provider} fail, {outcome}",
    }
    return Stop(name, f"{words[name]}: {detail}", provider)
