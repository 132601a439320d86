"""Whom a message is for, and where that person is reached."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipient:
    """A user by id, or somebody by address; with both, the message goes to this address and belongs to that user.

    ``language`` empty: the user's own choice, else the default.
    """

    user_id: str = ""
    email: str = ""
    phone: str = ""
    language: str = ""


@dataclass(frozen=True)
class Address:
    """Where a user is reached at the moment of sending. ``language`` is a code of ``settings.LANGUAGES``."""

    email: str = ""
    phone: str = ""
    language: str = ""


AddressBook = Callable[[str], Address | None]


def _empty_book(user_id: str) -> Address | None:
    return None


_book: AddressBook = _empty_book


def register_address_book(book: AddressBook) -> None:
    """``book`` finds a user's address by id, ``None`` when there is no such user (any more)."""
    global _book
    _book = book


def find_address(user_id: str) -> Address | None:
    return _book(user_id)
