"""What the sandbox says and understands of disputes."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from payments.gateways.sandbox.provider.book import Contest, Txn
from payments.gateways.sandbox.provider.words import Refusal, read_amount

MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_FILES = 10
FILE_TYPES = ("application/pdf", "image/jpeg", "image/png")
# The provider's own words for why a payer disputes, by the name a script calls them.
REASON_WORDS = {
    "fraudulent": "NOT_ME",
    "not_received": "NEVER_CAME",
    "not_as_described": "NOT_AS_SAID",
    "duplicate": "TWICE",
    "canceled": "HAD_ENDED",
    "amount": "OTHER_SUM",
    "credit_not_processed": "NOT_GIVEN_BACK",
}
_TEXTS = ("story", "goods", "name", "mail", "came_on", "parcel", "carrier", "terms", "why_kept")
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ShopAnswer:
    text: str
    files: tuple[str, ...]


def contest_words(contest: Contest) -> dict[str, Any]:
    return {
        "dispute": contest.dispute,
        "of": contest.of,
        "txn": contest.txn,
        "state": contest.state,
        "sum": contest.amount,
        "coin": contest.coin,
        "why": contest.why,
        "cost": contest.fee,
        "answer_until": round(contest.answer_until * 1000),
        "answered": bool(contest.answer),
        "at": round(contest.changed_at * 1000),
    }


def reason_word(code: str) -> str:
    """An unlisted code becomes an unlisted word, which is how adapters are tried with words they do not know."""
    return REASON_WORDS.get(code, code.upper())


def read_reason(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z_]{1,40}", value):
        raise Refusal(400, "bad_field", "why: letters and _")
    return reason_word(value)


def read_sum(value: object, txn: Txn) -> int:
    """All that was taken, when nothing is said."""
    amount = txn.taken if value is None else read_amount(value)
    if amount > txn.taken:
        raise Refusal(422, "more_than_taken", f"{txn.taken} was taken")
    return amount


def read_answer(words: Mapping[str, Any]) -> ShopAnswer:
    """``says`` (texts by name) and ``files`` (their SHA-256); one of both at least."""
    says, files = words.get("says") or {}, words.get("files") or []
    if not isinstance(says, dict) or any(name not in _TEXTS or not isinstance(says[name], str) for name in says):
        raise Refusal(400, "bad_field", f"says: texts named {', '.join(_TEXTS)}")
    is_list = isinstance(files, list) and all(isinstance(name, str) and _DIGEST.fullmatch(name) for name in files)
    if not is_list or len(files) > MAX_FILES:
        raise Refusal(400, "bad_field", f"files: at most {MAX_FILES}, each by its SHA-256")
    if not says and not files:
        raise Refusal(422, "says_nothing", "an answer has words or files")
    return ShopAnswer(json.dumps({"says": says, "files": files}, sort_keys=True), tuple(files))


def require_file(digest: str, *, content_type: str, body: bytes) -> None:
    if content_type not in FILE_TYPES:
        raise Refusal(415, "wrong_type", f"one of {', '.join(FILE_TYPES)}")
    if not 1 <= len(body) <= MAX_FILE_BYTES:
        raise Refusal(413, "too_long", f"1 to {MAX_FILE_BYTES} bytes")
    if hashlib.sha256(body).hexdigest() != digest:
        raise Refusal(400, "torn_file", "the address must end in the file's SHA-256")
