"""`make pictures`: the manual's pictures, from those that the tests in a browser keep of every view."""

import shutil
from pathlib import Path

from tests.dashboard.browsing import SCREENSHOTS

MANUAL = Path(__file__).parents[2] / "docs" / "pictures"
CHOSEN = (
    "what-changed-light-wide",
    "why-this-day-light-wide",
    "who-light-wide",
    "topic-light-wide",
    "conversation-dark-wide",
    "health-and-money-dark-phone",
)


def main() -> None:
    """Put them into the manual. Raises FileNotFoundError for one that no test has kept."""
    MANUAL.mkdir(exist_ok=True)
    for name in CHOSEN:
        shutil.copyfile(SCREENSHOTS / f"{name}.png", MANUAL / f"{name}.png")


if __name__ == "__main__":
    main()
