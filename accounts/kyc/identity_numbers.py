"""Document numbers: their one written form, and why some that look like card numbers are none."""

import re
from datetime import datetime

from paycore.card_numbers import contains_card_number

_PUNCTUATION = re.compile(r"[\s\-./]")
_RESIDENT_ID = re.compile(r"[1-8]\d{5}((?:19|20)\d{6})\d{3}[\dX]\Z", re.ASCII)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_LETTERS = "10X98765432"


def normalized(number: str) -> str:
    """The same text for all ways in which one number is written."""
    return _PUNCTUATION.sub("", number).upper()


def is_chinese_resident_id(number: str) -> bool:
    """GB 11643-1999: region, date of birth, serial number and a check letter that all agree."""
    match = _RESIDENT_ID.match(number)
    if match is None:
        return False
    try:
        datetime.strptime(match[1], "%Y%m%d")  # noqa: DTZ007 a calendar day, not a moment
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    return number[17] == _CHECK_LETTERS[total % 11]


def is_card_number(number: str) -> bool:
    """One Chinese identity number in ten that begins with 62 would pass for a bank card's."""
    return contains_card_number(number) and not is_chinese_resident_id(number)
