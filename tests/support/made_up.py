"""Made-up e-mail addresses, cards, IBANs and phones in many forms, and numbers that look like them and are none."""

import string
from collections.abc import Callable, Sequence
from random import Random

BANK_FORMATS = {
    "AT": "16n",
    "BE": "12n",
    "CH": "5n12c",
    "DE": "18n",
    "DK": "14n",
    "ES": "20n",
    "FI": "14n",
    "FR": "10n11c2n",
    "GB": "4a14n",
    "IE": "4a14n",
    "IT": "1a10n12c",
    "LT": "16n",
    "MT": "4a5n18c",
    "NL": "4a10n",
    "NO": "11n",
    "PL": "24n",
    "PT": "21n",
    "SA": "2n18c",
    "SE": "20n",
    "TR": "5n1n16c",
}
"""What follows country and check digits, by country: n digits, a letters, c either."""
SETS = {
    "n": string.digits,
    "a": string.ascii_uppercase,
    "c": string.digits + string.ascii_uppercase,
}
NETWORKS = (
    ("4", 13, (4, 4, 4, 1)),
    ("4", 16, (4, 4, 4, 4)),
    ("4", 19, (4, 4, 4, 4, 3)),
    ("51", 16, (4, 4, 4, 4)),
    ("55", 16, (4, 4, 4, 4)),
    ("2221", 16, (4, 4, 4, 4)),
    ("2720", 16, (4, 4, 4, 4)),
    ("34", 15, (4, 6, 5)),
    ("37", 15, (4, 6, 5)),
    ("300", 14, (4, 6, 4)),
    ("36", 14, (4, 6, 4)),
    ("6011", 16, (4, 4, 4, 4)),
    ("3530", 16, (4, 4, 4, 4)),
    ("6212", 17, (4, 4, 4, 4, 1)),
    ("5018", 16, (4, 4, 4, 4)),
    ("2200", 16, (4, 4, 4, 4)),
)
"""First digits, length and groups of a card."""
NAMES = ("ann", "j.doe", "Mary-Lou", "x", "o'neil", "first.last+tag", "n_1", "müller", "USER42")
HOSTS = (
    "example.com",
    "mail.example.co.uk",
    "EXAMPLE.ORG",
    "sub-domain.example.info",
    "bücher.example",
    "xn--p1ai.example",
)


def digits(dice: Random, count: int) -> str:
    """So many digits, the first of which is not 0."""
    return "".join([dice.choice("123456789"), *dice.choices(string.digits, k=count - 1)])[:count]


def with_check_digit(number: str) -> str:
    """The number with the digit of Luhn behind it."""
    doubled = [2 * int(each) for each in number[::-2]]
    single = [int(each) for each in number[-2::-2]]
    total = sum(each // 10 + each % 10 for each in doubled) + sum(single)
    return f"{number}{-total % 10}"


def grouped(text: str, groups: Sequence[int], gap: str) -> str:
    """The text cut into groups of these lengths."""
    parts, at = [], 0
    for length in groups:
        parts.append(text[at : at + length])
        at += length
    return gap.join(part for part in [*parts, text[at:]] if part)


def card(dice: Random) -> str:
    """A card as people write it."""
    prefix, length, groups = dice.choice(NETWORKS)
    number = with_check_digit(prefix + "".join(dice.choices(string.digits, k=length - 1 - len(prefix))))
    return grouped(number, groups, dice.choice(["", "", " ", " ", "-", ".", " - ", "\u00a0"]))


def iban_with(dice: Random, check_digits: Callable[[int], int]) -> str:
    """An IBAN as people write it; `check_digits` is given the right ones."""
    country = dice.choice(sorted(BANK_FORMATS))
    account, count = "", ""
    for mark in BANK_FORMATS[country]:
        if mark.isdigit():
            count += mark
        else:
            account += "".join(dice.choices(SETS[mark], k=int(count)))
            count = ""
    as_number = int("".join(str(int(each, 36)) for each in f"{account}{country}00"))
    whole = f"{country}{check_digits(98 - as_number % 97):02}{account}"
    written = grouped(whole, [4] * 9, dice.choice(["", " ", " ", "-", "\u00a0"]))
    return dice.choice([written, written, written.lower()])


def iban(dice: Random) -> str:
    """An IBAN as people write it."""
    return iban_with(dice, lambda right: right)


def email(dice: Random) -> str:
    """An e-mail address as people write it."""
    name, host = dice.choice(NAMES), dice.choice(HOSTS)
    at = dice.choice(["@"] * 8 + ["%40", " (at) ", "[at]"])
    return f"{name}{at}{host.replace('.', ' [dot] ') if at == '[at]' else host}"


def phone(dice: Random) -> str:
    """A phone number of the United States or of Great Britain, from the ranges that are kept free for fiction."""
    last = f"{dice.randrange(100):02}"
    american = (f"(212) 555-01{last}", f"212-555-01{last}", f"+1 212 555 01{last}", f"1.212.555.01{last}")
    british = (
        f"020 7946 09{last}",
        f"+44 20 7946 09{last}",
        f"(020) 7946 09{last}",
        f"0044 20 7946 09{last}",
    )
    return dice.choice([*american, *british])


def near_miss(dice: Random) -> str:
    """What looks like one of them, and is none."""
    number = with_check_digit("4" + digits(dice, 14))
    wrong_card = number[:-1] + str((int(number[-1]) + dice.randrange(1, 10)) % 10)
    label = dice.choice(
        ["order", "Order no.", "ticket #", "ref:", "invoice", "Bestellnummer", "tracking number"]
    )
    return dice.choice(
        [
            f"{label} {digits(dice, dice.randrange(5, 18))}",
            f"order {dice.randrange(100, 999)}-{digits(dice, 7)}-{digits(dice, 7)}",
            f"{dice.choice('$€£')}{dice.randrange(1, 9999):,}.{dice.randrange(100):02}",
            f"EUR {dice.randrange(1, 99)}.{dice.randrange(100, 999)},{dice.randrange(10, 99)}",
            f"{dice.randrange(1, 29):02}.{dice.randrange(1, 13):02}.20{dice.randrange(10, 30)} at 14:05",
            f"20{dice.randrange(10, 30)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}T10:15:00Z",
            f"{dice.randrange(1, 13)}/{dice.randrange(1, 29)}/{dice.randrange(2010, 2030)}",
            f"1Z{''.join(dice.choices(SETS['c'], k=6))}{digits(dice, 10)}",
            f"{dice.randrange(16**8):08x}-{dice.randrange(16**4):04x}-4{dice.randrange(16**3):03x}-a000",
            f"https://example.com/status/{digits(dice, 18)}",
            f"TBA{digits(dice, 12)}",
            f"PP-{dice.randrange(100, 999)}-{dice.randrange(100, 999)}-{dice.randrange(100, 999)}",
            f"@support{digits(dice, 6)} 3 @ 4.50 each, home@night",
            f"version {dice.randrange(20)}.{dice.randrange(9)}.{dice.randrange(99)}.{dice.randrange(999)}",
            wrong_card,
            grouped(wrong_card, (4, 4, 4, 4), dice.choice([" ", "-"])),
            iban_with(dice, lambda right: (right + dice.randrange(1, 90) - 2) % 97 + 2),
        ]
    )
