"""Codes that people can read out and type: 16 characters without any that look alike, 76 random bits. Pure.

The database knows the keyed hash and the last four characters only.
"""

import hmac
from itertools import count

from paycore.code_batches import chance_letters, letters_of
from paycore.encryption import blind_index

ALPHABET = "23456789ABCDEFGHJKMNPQRTWXYZ"
LENGTH = 16
MOST_DIGITS = 12
"""One more, and a request that carries the code could be taken for one that carries a card number."""
MOST_TYPED = 64
_GROUP = 4
_CONTEXT = "memberships.redeem_code"


def new_code() -> str:
    """``7K2M-QW4X-…``"""
    while True:
        letters = chance_letters(alphabet=ALPHABET, length=LENGTH)
        if _is_fit(letters):
            return _grouped(letters)


def derived_code(secret: str, number: int) -> str:
    """The code ``number`` of a batch: the same again while the batch's secret is known."""
    for attempt in count():
        digest = hmac.digest(bytes.fromhex(secret), f"{number} {attempt}".encode(), "sha256")
        letters = letters_of(int.from_bytes(digest), alphabet=ALPHABET, length=LENGTH)
        if _is_fit(letters):
            return _grouped(letters)
    raise AssertionError("unreachable: count does not end")


def digest_of(typed: str) -> bytes | None:
    """The keyed hash of what a person typed, in whatever case and grouping; None for what can be no code."""
    code = "".join(typed.split()).replace("-", "").upper() if len(typed) <= MOST_TYPED else ""
    if len(code) != LENGTH or not set(code) <= set(ALPHABET):
        return None
    return blind_index(code, context=_CONTEXT)


def hash_code(code: str) -> bytes:
    """Of a code that was made here."""
    return blind_index(code.replace("-", ""), context=_CONTEXT)


def _is_fit(letters: str) -> bool:
    return sum(map(str.isdigit, letters)) <= MOST_DIGITS


def _grouped(letters: str) -> str:
    return "-".join(letters[at : at + _GROUP] for at in range(0, LENGTH, _GROUP))
