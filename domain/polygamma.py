"""The first two derivatives of log gamma, which say how logarithms of estimated variances scatter.

scipy has them, but it would take 45 MB of the memory of a process that needs 118.
"""

from math import inf, log, sqrt

LARGE = 8
"""From where on the asymptotic series are exact to ten digits (DLMF 5.11.2 and 5.15.8)."""
ROUNDS = 50


def digamma(x: float) -> float:
    """The derivative of log gamma, for x above 0."""
    found = 0.0
    while x < LARGE:
        found, x = found - 1 / x, x + 1
    square = 1 / (x * x)
    return (
        found + log(x) - 0.5 / x - square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    )


def trigamma(x: float) -> float:
    """The derivative of digamma, for x above 0."""
    found = 0.0
    while x < LARGE:
        found, x = found + 1 / (x * x), x + 1
    square = 1 / (x * x)
    series = 1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30))
    return found + 1 / x + square / 2 + square / x * series


def inverse_trigamma(y: float) -> float:
    """Where trigamma is y; infinite for y of 0 or less. By halves: trigamma lies between 1/x and 1/x + 1/x^2."""
    if y <= 0:
        return inf
    low, high = 0.5 / y, 1 / y + 1 / sqrt(y)
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if trigamma(middle) > y else (low, middle)
    return high
