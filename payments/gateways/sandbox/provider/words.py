"""What the sandbox says and understands on the wire."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from payments.gateways.sandbox.provider.book import GiveBack, Keep, Txn

MAX_AMOUNT = 10**12
MAX_URL_LENGTH = 2000
MAX_BODY_BYTES = 64 * 1024
METHODS = ("card", "redirect", "qr")

_REFERENCE = re.compile(r"[A-Za-z0-9_.:\-]{1,80}")


class Refusal(Exception):
    """The request is wrong, or comes at the wrong time; nothing happened."""

    def __init__(self, status: int, error: str, say: str) -> None:
        self.status = status
        self.error = error
        self.say = say
        super().__init__(f"{error}: {say}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What was done, and the fault to play while answering ("" for none)."""

    words: dict[str, Any]
    fault: str = ""


def txn_words(txn: Txn, *, base_url: str, keep: Keep | None) -> dict[str, Any]:
    """``keep`` is what was to be kept with this payment."""
    words: dict[str, Any] = {
        "txn": txn.txn,
        "reference": txn.reference,
        "state": txn.state,
        "sum": txn.amount or None,
        "coin": txn.coin or None,
        "via": txn.via,
        "shop_order": txn.shop_order,
        "taken": txn.taken,
        "held": txn.held,
        "given_back": txn.given_back,
        "fee": txn.fee,
        "why": txn.why,
        "good_until": txn.good_until,
        "at": round(txn.changed_at * 1000),
    }
    if txn.state == "WAITING":
        page = f"{base_url}/approve/{txn.page_token}"
        words["go"] = {"kind": "square", "text": page} if txn.via == "qr" else {"kind": "page", "url": page}
    if keep is not None and keep.state == "KEPT":
        words["kept"] = _kept(keep)
    return words


def keep_words(keep: Keep, *, base_url: str) -> dict[str, Any]:
    words: dict[str, Any] = {
        "reference": keep.reference,
        "state": keep.state,
        "via": keep.via,
        "why": keep.why,
        "at": round(keep.changed_at * 1000),
    }
    if keep.state == "WAITING":
        words["go"] = {"kind": "page", "url": f"{base_url}/approve/{keep.page_token}"}
    if keep.state == "KEPT":
        words["kept"] = _kept(keep)
    return words


def _kept(keep: Keep) -> dict[str, Any]:
    """There is no number: the four digits are drawn from what tells two cards apart. Good for three years."""
    made = datetime.fromtimestamp(keep.created_at, UTC)
    digits = f"{int(keep.card[:8], 16) % 10_000:04d}"
    words: dict[str, Any] = {"token": keep.keep, "same": keep.card, "person": f"who_{keep.who}", "ends_in": digits}
    if keep.via == "card":
        words |= {"make": "sandbox", "month": made.month, "year": made.year + 3}
    return words


def give_back_words(give_back: GiveBack) -> dict[str, Any]:
    return {
        "give_back": give_back.give_back,
        "reference": give_back.reference,
        "of": give_back.of,
        "state": give_back.state,
        "sum": give_back.amount,
        "coin": give_back.coin,
        "why": give_back.why,
        "at": round(give_back.changed_at * 1000),
    }


def read_words(body: bytes) -> dict[str, Any]:
    """A JSON object from the wire."""
    if len(body) > MAX_BODY_BYTES:
        raise Refusal(413, "too_long", f"at most {MAX_BODY_BYTES} bytes")
    try:
        words = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "not_json", "the body must be a JSON object") from None
    if not isinstance(words, dict):
        raise Refusal(400, "not_json", "the body must be a JSON object")
    return words


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def read_reference(value: object, *, name: str = "reference") -> str:
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise Refusal(400, "bad_field", f"{name}: 1 to 80 letters, digits or _ . : -")
    return value


def read_amount(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_AMOUNT:
        raise Refusal(400, "bad_field", f"sum: a whole number from 1 to {MAX_AMOUNT}")
    return value


def read_coin(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]{3}", value):
        raise Refusal(400, "bad_field", "coin: three capital letters")
    return value


def read_method(value: object) -> str:
    if not isinstance(value, str) or value not in METHODS:
        raise Refusal(400, "bad_field", f"via: one of {', '.join(METHODS)}")
    return value


def read_text(value: object, *, name: str, max_length: int = 300) -> str:
    """Unprintable characters become spaces: the text is shown on a page and kept in a book."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > max_length:
        raise Refusal(400, "bad_field", f"{name}: a text of at most {max_length} characters")
    return "".join(character if character.isprintable() else " " for character in value)


def read_address(value: object, *, name: str) -> str:
    """An http(s) address, or empty."""
    if not value:
        return ""
    refusal = Refusal(400, "bad_field", f"{name}: an http or https address")
    if not isinstance(value, str) or len(value) > MAX_URL_LENGTH or not value.isascii() or not value.isprintable():
        raise refusal
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        raise refusal from None
    if not is_address or re.search(r"[\s\"'<>;,\\]", parts.netloc):
        raise refusal
    return value


def read_time(value: object, *, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**11:
        raise Refusal(400, "bad_field", f"{name}: unix seconds")
    return float(value)
