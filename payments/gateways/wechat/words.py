"""WeChat Pay's words in ours: states, errors, times. Sources: its API pages for direct merchants (普通商户)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from payments.gateways.contract import Outcome

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")

SHEET_STATES = {
    "SUCCESS": Outcome.SUCCEEDED,
    "REFUND": Outcome.SUCCEEDED,  # 转入退款: it was paid; refunds have answers of their own
    "NOTPAY": Outcome.REQUIRES_ACTION,
    "CLOSED": Outcome.CANCELED,
    "REVOKED": Outcome.CANCELED,
    "USERPAYING": Outcome.PENDING,
    "ACCEPT": Outcome.PENDING,
}
"""A payment that the payer makes in WeChat. PAYERROR is documented for payment codes (付款码) only, which we do not
take; while a sheet or a code is open the payer may try again, so it stays unlisted: pending."""

MANDATE_STATES = {
    "SUCCESS": Outcome.SUCCEEDED,
    "REFUND": Outcome.SUCCEEDED,
    "ACCEPT": Outcome.PENDING,
    "NOTPAY": Outcome.PENDING,  # "a moment only": the charge has begun
    "CLOSED": Outcome.FAILED,
    "PAY_FAIL": Outcome.FAILED,
    "PAYERROR": Outcome.FAILED,
}
"""A charge under a mandate: nobody can try it again under the same number."""

REFUND_STATES = {
    "SUCCESS": Outcome.SUCCEEDED,
    "CLOSED": Outcome.FAILED,
    "PROCESSING": Outcome.PENDING,
    "ABNORMAL": Outcome.PENDING,  # the payer's card is gone; staff finish it in WeChat's merchant platform
}

FAILURE_CODES = {
    "PARAM_ERROR": "gateway_rejected",
    "INVALID_REQUEST": "gateway_rejected",
    "OUT_TRADE_NO_USED": "gateway_rejected",
    "ORDER_NOT_EXIST": "gateway_rejected",
    "RESOURCE_NOT_EXISTS": "gateway_rejected",
    "INVALID_TRANSACTIONID": "gateway_rejected",
    "LACK_PARAMS": "gateway_rejected",
    "XML_FORMAT_ERROR": "gateway_rejected",
    "POST_DATA_EMPTY": "gateway_rejected",
    "NOT_UTF8": "gateway_rejected",
    "REQUIRE_POST_METHOD": "gateway_rejected",
    "ORDER_CLOSED": "closed",
    "ORDERCLOSED": "closed",
    "SIGN_ERROR": "account_misconfigured",
    "SIGNERROR": "account_misconfigured",
    "NO_AUTH": "account_misconfigured",
    "NOAUTH": "account_misconfigured",
    "APPID_MCHID_NOT_MATCH": "account_misconfigured",
    "APPID_NOT_EXIST": "account_misconfigured",
    "MCH_NOT_EXISTS": "account_misconfigured",
    "MCHID_NOT_EXIST": "account_misconfigured",
    "OPENID_MISMATCH": "invalid_details",
    "BUYER_MISMATCH": "invalid_details",
    "ACCOUNT_ERROR": "account_closed",
    "ACCOUNTERROR": "account_closed",
    "USER_ACCOUNT_ABNORMAL": "account_closed",
    "NOT_ENOUGH": "insufficient_funds",
    "NOTENOUGH": "insufficient_funds",
    "NOTSUPORTCARD": "card_declined",  # spelt so by WeChat
    "RULE_LIMIT": "gateway_limit",
    "RULELIMIT": "gateway_limit",
    "FREQUENCY_LIMITED": "try_again_later",
    "RATELIMIT_EXCEEDED": "try_again_later",
    "TRADE_ERROR": "declined",
    "CONTRACT_NOT_EXIST": "mandate_ended",
    "CONTRACT_NOT_EXISTS": "mandate_ended",
    "CONTRACT_TERMINATED": "mandate_ended",
    "CONTRACTERROR": "mandate_ended",
    "CONTRACT_ERROR": "mandate_ended",
}
"""WeChat's error → our failure code. The spellings without underscore belong to the XML interface."""

REFUND_FAILURE_CODES = FAILURE_CODES | {
    # In a refund it is our own balance at WeChat that is too small, not the payer's.
    "NOT_ENOUGH": "try_again_later",
    "NOTENOUGH": "try_again_later",
}

CONTRACT_STATES = {"0": Outcome.SUCCEEDED, "1": Outcome.CANCELED, "9": Outcome.PENDING}
"""0: signed, 1: ended, 9: being signed."""


class NotUnderstood(ValueError):
    """A field is missing or of another type than agreed."""


def read_json(body: bytes) -> dict[str, Any]:
    """Raises :class:`NotUnderstood` unless it is a JSON object."""
    try:
        words = json.loads(body)
    except (ValueError, RecursionError):
        raise NotUnderstood("not JSON") from None
    if not isinstance(words, dict):
        raise NotUnderstood("not an object")
    return words


def text(words: Mapping[str, Any], name: str) -> str:
    """Empty when it is missing or null."""
    value = words.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotUnderstood(name)
    return value


def number(words: Mapping[str, Any], name: str) -> int | None:
    value = words.get(name)
    if value is not None and type(value) is not int:
        raise NotUnderstood(name)
    return value


def part(words: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A nested object; empty when it is missing."""
    value = words.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotUnderstood(name)
    return value


def read_time(written: str) -> datetime | None:
    """RFC 3339, to aware UTC; None when it is missing or not a time."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None


def read_beijing_time(written: str) -> datetime | None:
    """A time without zone, as bills (2026-03-02 23:59:58) and the XML interface (also 20260302235958) write it."""
    if len(written) == 14 and written.isdigit():
        written = f"{written[:8]}T{written[8:]}"
    elif len(written) != 19:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment.replace(tzinfo=BEIJING).astimezone(UTC) if moment.tzinfo is None else None


def write_time(moment: datetime) -> str:
    """RFC 3339 in Beijing, whole seconds."""
    return moment.astimezone(BEIJING).replace(microsecond=0).isoformat()


def shorten(words: str, *, max_bytes: int) -> str:
    """Without control characters, cut at a character's border."""
    printable = "".join(letter if letter.isprintable() else " " for letter in words)
    return printable.encode()[:max_bytes].decode(errors="ignore").strip()
