"""Finding payment card numbers in text, so that none is ever kept (PCI DSS 3.x; domain.md promise 8).

A number counts when an issuer prefix, a length that goes with it and the Luhn digit all agree. Digits may be grouped by
spaces, dashes, dots or underscores and may be any Unicode digits. Only whole groups count: a window cut out of a longer
number is not a card number, or every long reference would be one.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _
from stdnum import iban

from paycore.errors import PaycoreError

REPLACEMENT = "[card number removed]"

_DASHES = "\u2010\u2011\u2012\u2013\u2014"
_RUN = re.compile(rf"\d(?:[\s\-{_DASHES}._]{{0,2}}\d){{11,}}")
_RUN_IN_BYTES = re.compile(rb"\d(?:[\s\-._+]{0,2}\d){11,}")
_DIGITS = re.compile(r"\d+")
_TOKEN_BEFORE = re.compile(r"[0-9A-Za-z]*\Z")
_TOKEN_AFTER = re.compile(r"[0-9A-Za-z]*")
_HEX_ONLY = re.compile(r"[0-9a-fA-F]*\Z")
# Random identifiers whose digits mean nothing: our own ids (identifiers.py) and UUIDs.
_RANDOM_ID = re.compile(
    r"\b[a-z]{2,12}_[0-9a-hjkmnp-tv-z]{26}\b|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", re.ASCII
)
# Bank account numbers, as people group them; only a right check digit and length make one.
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?\b", re.ASCII)

# (first prefix, last prefix, shortest, longest), by network. Sources: ISO/IEC 7812 and the networks' BIN pages.
_ISSUERS = (
    (4, 4, 13, 13), (4, 4, 16, 16), (4, 4, 19, 19),  # Visa
    (51, 55, 16, 16), (2221, 2720, 16, 16),  # Mastercard
    (34, 34, 15, 15), (37, 37, 15, 15),  # American Express
    (300, 305, 14, 19), (3095, 3095, 14, 19), (36, 36, 14, 19), (38, 39, 14, 19),  # Diners Club
    (3528, 3589, 16, 19),  # JCB
    (6011, 6011, 16, 19), (644, 649, 16, 19), (65, 65, 16, 19),  # Discover
    (62, 62, 16, 19), (81, 81, 16, 19),  # UnionPay
    (50, 50, 12, 19), (56, 58, 12, 19), (67, 67, 12, 19), (6304, 6304, 12, 19),  # Maestro, Elo, Verve
    (2200, 2204, 16, 19),  # Mir
    (60, 60, 16, 16), (82, 82, 16, 16),  # RuPay, Hipercard
    (9792, 9792, 16, 16),  # Troy
)  # fmt: skip


def _lengths_by_prefix() -> dict[str, frozenset[int]]:
    """The lengths a number may have by its first four digits."""
    table: dict[str, frozenset[int]] = {}
    for first, last, shortest, longest in _ISSUERS:
        for prefix in range(int(str(first).ljust(4, "0")), int(str(last).ljust(4, "9")) + 1):
            table[str(prefix)] = table.get(str(prefix), frozenset()) | frozenset(range(shortest, longest + 1))
    return table


_LENGTHS = _lengths_by_prefix()
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_E164_DIGITS = 15

# Integers under these keys are amounts and clocks; their own fields bound them.
_NUMERIC_KEY = re.compile(
    r"amount|minor|total|price|fee|balance|quantity|timestamp|nonce|(?:_at|_ms|_us|_ns|time|created|updated|expires)\Z",
    re.IGNORECASE,
)


class CardDataNotAllowed(PaycoreError):
    """Somebody sent a card number. Nothing of the request was kept."""

    code, http_status = "card_data_not_allowed", 400
    title = _("Card numbers must not be sent here. Nothing was stored.")


def contains_card_number(text: str) -> bool:
    return next(_found(text), None) is not None


def redact_card_numbers(text: str) -> str:
    """``text`` with every card number replaced; the same object when there is none."""
    spans = list(_found(text))
    for start, end in reversed(_merged(spans)):
        text = text[:start] + REPLACEMENT + text[end:]
    return text


def may_contain_card_number(raw: bytes) -> bool:
    """A fast first look at a body: False is certain, True asks for the full search."""
    if _RUN_IN_BYTES.search(raw) is not None or b"\\u" in raw:
        return True
    return not raw.isascii() and _RUN.search(raw.decode(errors="replace")) is not None


def json_contains_card_number(value: Any, *, key: str = "") -> bool:
    """Searches strings, keys, and integers that are not under a key for amounts or times."""
    if isinstance(value, str):
        return contains_card_number(value)
    if isinstance(value, dict):
        return any(
            contains_card_number(name) or json_contains_card_number(item, key=name) for name, item in value.items()
        )
    if isinstance(value, list):
        return any(json_contains_card_number(item, key=key) for item in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value >= 10**12 and not _NUMERIC_KEY.search(key) and contains_card_number(str(value))
    return False


def _found(text: str) -> Iterator[tuple[int, int]]:
    """Spans of the card numbers in ``text``; spans may overlap."""
    if _RUN.search(text) is None:
        return
    ids = [match.span() for match in _RANDOM_ID.finditer(text)]
    ids += [match.span() for match in _IBAN.finditer(text) if iban.is_valid(match.group())]
    for run in _RUN.finditer(text):
        groups = [match.span() for match in _DIGITS.finditer(text, run.start(), run.end())]
        for first, (start, first_end) in enumerate(groups):
            digits = ""
            for group_start, end in groups[first : first + 19]:
                digits += _ascii_digits(text[group_start:end])
                if len(digits) > 19 or (len(digits) >= 4 and digits[:4] not in _LENGTHS):
                    break
                if _is_card_number(digits) and not _is_something_else(
                    text, start=start, end=end, digits=digits, is_one_group=end == first_end, ids=ids
                ):
                    yield start, end


def _ascii_digits(text: str) -> str:
    return text if text.isascii() else "".join(str(unicodedata.decimal(digit)) for digit in text)


def _is_card_number(digits: str) -> bool:
    size = len(digits)
    if size not in _LENGTHS.get(digits[:4], ()):
        return False
    values = [int(digit) for digit in reversed(digits)]
    if (sum(values[::2]) + sum([_DOUBLED[value] for value in values[1::2]])) % 10:
        return False
    return size != 13 or not _is_ean13(values)


def _is_ean13(reversed_values: list[int]) -> bool:
    """Thirteen digits that begin with 4 are far oftener a German or Japanese article number than an old Visa card."""
    return (sum(reversed_values[::2]) + 3 * sum(reversed_values[1::2])) % 10 == 0


def _is_something_else(
    text: str, *, start: int, end: int, digits: str, is_one_group: bool, ids: list[tuple[int, int]]
) -> bool:
    """Inside a random id or an IBAN, a phone number written +49…, decimals of a number, a piece of a random token."""
    if any(low < end and start < high for low, high in ids):
        return True
    before = text[start - 1 : start]
    if before == "+" and len(digits) <= _E164_DIGITS:
        return True
    if is_one_group and before == "." and text[start - 2 : start - 1].isdigit():
        return True
    left = _TOKEN_BEFORE.search(text, max(0, start - 128), start)
    right = _TOKEN_AFTER.match(text, end, end + 128)
    around = (left.group() if left else "") + (right.group() if right else "")
    return any(map(str.isdigit, around)) and (not is_one_group or _HEX_ONLY.match(around) is not None)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
