"""The headers of a call, and which of their values are hidden in what is logged."""

MIN_SECRET = 6


def is_secret(value: str) -> bool:
    """Whether a header's value is hidden. A short one is no secret, and hiding it would garble every message."""
    return len(value) >= MIN_SECRET


def call_headers(key: str, cache_id: str) -> dict[str, str]:
    if not key or not key.isascii() or not key.isprintable():
        raise ValueError("the API key is empty or has characters that are not allowed in an HTTP header")
    return {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "x-grok-conv-id": cache_id,
    }
