"""The regularised incomplete beta function and its inverse, for intervals of shares.

scipy has them, but it would take 45 MB of the memory of a process that needs 118.
"""

from math import exp, lgamma, log, log1p

ROUNDS = 300
TINY = 1e-300
CLOSE = 1e-12
HALVINGS = 60


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The share of a beta distribution with a and b (above 0) below x, from 0 to 1."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # beyond the peak the fraction of the other side converges
        return 1 - incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    return front * _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction (DLMF 8.17.22), by the method of Lentz."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, ROUNDS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            found *= c * d
        if abs(c * d - 1) < CLOSE:
            break
    return found


def _not_zero(x: float) -> float:
    return x if abs(x) > TINY else TINY


def beta_quantile(share: float, a: float, b: float) -> float:
    """Below which x the share of a beta distribution with a and b (above 0) lies."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if incomplete_beta(a, b, middle) < share else (low, middle)
    return (low + high) / 2
