"""Settings that the design knows and this version does not have: a start that sets one is refused by its name.

Whoever asks for protection must not believe that it is there.
"""

from collections.abc import Iterator, Mapping

OFF = frozenset({"", "false", "off", "no", "0"})
LATER = "BATCH_LANE_HOURS"
UNBUILT: Mapping[str, frozenset[str]] = {
    "BATCH_LANE": OFF | {"auto"},
    **dict.fromkeys(LATER.split(), frozenset({""})),
}
"""Variables that are not built, each with the values, in lower case, that ask for nothing."""


def unbuilt(environ: Mapping[str, str | None]) -> Iterator[str]:
    """One complaint for each variable that asks for what is not built; it never repeats the value."""
    given = {name.upper(): (value or "").strip().lower() for name, value in environ.items()}
    for name, harmless in UNBUILT.items():
        if given.get(name, "") not in harmless:
            yield f"{name}: is not built yet; unset it"
