"""What made-up customers write about, for tests of discovery: each subject in many wordings, the same for a seed."""

from itertools import product
from random import Random

_SUBJECTS = {
    "late_parcel": (
        "My parcel|The parcel I ordered|Our parcel",
        "has not arrived|is still not delivered|never reached my address",
        "and the courier is silent|although the courier promised it|says the courier",
    ),
    "forgotten_password": (
        "I forgot my password|My password is not accepted|The password reset",
        "and the login page|so the sign in form|while the account login",
        "locks me out|refuses my username|sends no reset link",
    ),
    "exchange_rate": (
        "The exchange rate|Your currency exchange rate|The rate for euros",
        "applied to my dollars|used for the conversion|on foreign currency",
        "looks wrong|is worse than the market|was calculated badly",
    ),
    "noisy_room": (
        "The hotel room|Our room near the elevator|My bedroom at the hotel",
        "was so noisy|had loud neighbours|faced a loud street",
        "that nobody slept|and the reception did not move us|all through the stay",
    ),
    "cold_meal": (
        "The pizza|My burger and fries|The dinner we had delivered",
        "came cold|was served lukewarm|tasted stale",
        "and the restaurant offered no new meal|from a kitchen nearby|with soggy bread",
    ),
    "broken_screen": (
        "The phone screen|My tablet display|The screen of my laptop",
        "is cracked|flickers and goes black|shows green lines",
        "after the last repair|right out of the box|although nobody dropped the device",
    ),
    "cancelled_flight": (
        "My flight to Boston|The evening flight|Our connecting flight",
        "was cancelled at the gate|got cancelled by the airline|has been cancelled",
        "and no seat was rebooked|because of the crew|while boarding the plane",
    ),
    "gym_membership": (
        "My gym membership|The fitness club membership|A yearly gym contract",
        "cannot be terminated|renewed itself|needs a written termination",
        "although I moved away|at the front desk|with the trainer",
    ),
}
_GERMAN = {
    "verspaetetes_paket": (
        "Mein Paket|Das bestellte Paket|Unsere Lieferung",
        "ist noch nicht angekommen|wurde nie zugestellt|liegt beim Paketdienst",
        "obwohl der Bote Montag versprach|und die Sendungsnummer zeigt nichts|seit zwei Wochen im Lager",
    ),
    "falsche_rechnung": (
        "Die Rechnung|Meine Monatsrechnung|Der Betrag auf der Rechnung",
        "ist viel zu hoch|stimmt nicht|wurde doppelt abgebucht",
        "vom Konto der Bank|wegen falscher Gebühren|trotz meiner Kündigung",
    ),
}

SUBJECTS, GERMAN = (
    {
        subject: tuple(f"{' '.join(words)}." for words in product(*(slot.split("|") for slot in slots)))
        for subject, slots in each.items()
    }
    for each in (_SUBJECTS, _GERMAN)
)
"""27 wordings of each subject."""
POOL = tuple(
    f"{' '.join(words)}."
    for words in product(
        ("The swimming pool", "Your outdoor pool", "The pool for children"),
        ("smelled of chlorine", "burned my eyes with chlorine", "left a chlorine rash on our skin"),
        ("at the swimming lesson", "and the lifeguard shrugged", "on the day of swimming"),
    )
)
"""A complaint that is not among the subjects."""


def wordings(subject: str, count: int, seed: int = 1) -> list[str]:
    """`count` texts of a subject, some of them more than once."""
    known = {**SUBJECTS, **GERMAN, "pool": POOL}[subject]
    draw = Random(f"{subject} {seed}")  # noqa: S311  the same texts for everybody, no secret
    return [draw.choice(known) for _ in range(count)]
