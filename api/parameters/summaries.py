"""The query parameters of summaries."""

from api.parameters.common import Parameters, Wait

READY_WITHIN = 30.0
"""Seconds that a request for a summary waits for it, unless it says otherwise."""


class RequestSummaryParameters(Parameters):
    """Of a request to write a summary."""

    wait: Wait = READY_WITHIN


class ReadSummaryParameters(Parameters):
    """Of a stored summary."""

    wait: Wait = 0
