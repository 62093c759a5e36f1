"""Words in front of a number that say what it is, so that an order number is not taken for a phone or a card."""

import re

BACK = 40
"""Characters in front of a number that are looked at."""
NAMES = (
    # Of the thing that is numbered; the second line is German, the third French, Spanish, Italian and Dutch.
    r"orders?|ref(?:erence)?s?|tickets?|cases?|invoices?|bookings?|reservation|confirmation|conf|claims?|incident"
    r"|tracking|shipment|parcel|serial|s/?n|imei|sku|dpci|asin|upc|ean|isbn|id|version|build|account|acct|customer"
    r"|member(?:ship)?|policy|transaction|txn|receipt|voucher|coupon|pnr|flight|request|complaint|tag|bag"
    r"|pin|otp|zip|vat|iccid|po|rma|model|part|item|article"
    r"|bestell(?:ung|nummer|nr)|auftrags?(?:nummer|nr)?|rechnungs?(?:nummer|nr)?|kunden?(?:nummer|nr)"
    r"|vorgangs?(?:nummer|nr)?|sendungs?(?:nummer|nr)?|vertrags?(?:nummer|nr)?|artikel(?:nummer|nr)?"
    r"|commande|facture|dossier|pedido|factura|ordine|fattura|bestelling|factuur"
)
LABEL = re.compile(
    rf"(?<![^\W_])(?:{NAMES})[\s_-]*(?:(?:numbers?|numm?er|no|nr|num|id|code|numéro|número|numero)\b)?"
    r"[\s.:#=)('\"-]*(?:(?:is|was|ist|are|est|es)\b[\s:#'\"-]*)?$",
    re.IGNORECASE,
)
PHONE_LABEL = re.compile(
    r"(?:phones?|tel|tel[eé]?(?:ph|f)one?|telno|mobile|mob|cell|fax|whatsapp|handy|call(?:ed|ing|s)?|dial|ring|text"
    r"|contact|hotline|helpline|t[eé]l[eé]fono|anrufen|rufnummer|telefonnummer)"
    r"[\s_-]*(?:numbers?|numm?er|no|nr|num|us|me|at|on|them|from|him|her)?[\s.:#=)('\"-]*$",
    re.IGNORECASE,
)


def is_labelled(before: str) -> bool:
    """Whether the words in front of a number say that it is an order number, an id or the like."""
    return LABEL.search(before[-BACK:]) is not None


def is_labelled_phone(before: str) -> bool:
    """Whether the words in front of a number say that it is a phone number."""
    return PHONE_LABEL.search(before[-BACK:]) is not None
