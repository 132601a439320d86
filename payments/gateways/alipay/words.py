"""Alipay's words, and what they are in ours: amounts in yuan, Beijing times, trade states, error codes."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from payments.gateways.contract import Outcome

BEIJING = timezone(timedelta(hours=8))
_TIME = "%Y-%m-%d %H:%M:%S"
_WALL_CLOCK = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?", re.ASCII)
_YUAN = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,2}))?", re.ASCII)

TRADE_OUTCOMES = {
    "WAIT_BUYER_PAY": Outcome.REQUIRES_ACTION,
    "TRADE_SUCCESS": Outcome.SUCCEEDED,
    "TRADE_FINISHED": Outcome.SUCCEEDED,
}
"""TRADE_CLOSED is not here: it is an unpaid trade that ended, or a paid one that was wholly given back."""

NOT_THERE = "ACQ.TRADE_NOT_EXIST"
ALREADY = frozenset({"ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_CLOSE", "ACQ.TRADE_HAS_FINISHED"})
CANNOT_CLOSE = ALREADY | {
    "ACQ.TRADE_STATUS_ERROR",
    "ACQ.REASON_TRADE_STATUS_INVALID",
    "ACQ.REASON_ILLEGAL_STATUS",
}
UNKNOWN = frozenset({"ACQ.SYSTEM_ERROR", "AQC.SYSTEM_ERROR", "SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR"})
"""Refusals by name only: "this trade may have succeeded or failed, ask" (AQC is Alipay's own spelling in places)."""

NO_AGREEMENT = frozenset(
    {"USER_AGREEMENT_NOT_EXIST", "ACQ.USER_AGREEMENT_NOT_EXIST", "AGREEMENT_NOT_EXIST", "ACQ.AGREEMENT_NOT_EXIST"}
)
NO_BILL = frozenset({"isp.bill_not_exist", "BILL_NOT_EXIST", "isv.bill_not_exist"})

FAILURE_CODES = {
    "ACQ.BUYER_BALANCE_NOT_ENOUGH": "insufficient_funds",
    "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH": "insufficient_funds",
    "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR": "limit_exceeded",
    "ACQ.BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR": "limit_exceeded",
    "ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED": "limit_exceeded",
    "ACQ.CYCLE_PAY_TOTAL_FEE_EXCEED": "limit_exceeded",
    "ACQ.CYCLE_PAY_TOTAL_TIMES_EXCEED": "limit_exceeded",
    "ACQ.CYCLE_PAY_DATE_NOT_MATCH": "outside_hours",
    "ACQ.AGREEMENT_ERROR": "mandate_ended",
    "ACQ.AGREEMENT_INVALID": "mandate_ended",
    "ACQ.AGREEMENT_NOT_EXIST": "mandate_ended",
    "ACQ.AGREEMENT_STATUS_NOT_NORMAL": "mandate_ended",
    "ACQ.USER_AGREEMENT_NOT_EXIST": "mandate_ended",
    "ACQ.BUYER_ENABLE_STATUS_FORBID": "account_closed",
    "ACQ.BUYER_NOT_EXIST": "account_closed",
    "ACQ.NO_PAYMENT_INSTRUMENTS_AVAILABLE": "invalid_details",
    "ACQ.NOT_SUPPORT_PAYMENT_INST": "invalid_details",
    "ACQ.ERROR_BALANCE_PAYMENT_DISABLE": "invalid_details",
    "ACQ.MOBILE_PAYMENT_SWITCH_OFF": "invalid_details",
    "ACQ.ERROR_BUYER_CERTIFY_LEVEL_LIMIT": "invalid_details",
    "ACQ.NOT_CERTIFIED_USER": "invalid_details",
    "ACQ.BUYER_NOT_MAINLAND_CERT": "invalid_details",
    "ACQ.USER_LOGONID_DUP": "invalid_details",
    "ACQ.BUYER_SELLER_EQUAL": "invalid_details",
    "ACQ.TRADE_BUYER_NOT_MATCH": "invalid_details",
    "ACQ.PAYER_UNMATCHED": "invalid_details",
    "ACQ.PAYMENT_REQUEST_HAS_RISK": "suspected_fraud",
    "ACQ.PAYMENT_FAIL": "declined",
    "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR": "closed",
    "ACQ.TRADE_HAS_CLOSE": "closed",
    "ACQ.CURRENCY_NOT_SUPPORT": "currency_not_supported",
    "ACQ.TOTAL_FEE_EXCEED": "amount_not_supported",
    "ACQ.AMOUNT_OR_CURRENCY_ERROR": "amount_not_supported",
    "ACQ.REQUEST_AMOUNT_EXCEED": "amount_not_supported",
    "ACQ.RESTRICTED_MERCHANT_INDUSTRY": "amount_not_supported",
    "ACQ.BEYOND_PAY_RESTRICTION": "gateway_limit",
    "ACQ.BEYOND_PER_RECEIPT_DAY_RESTRICTION": "gateway_limit",
    "ACQ.BEYOND_PER_RECEIPT_RESTRICTION": "gateway_limit",
    "ACQ.BEYOND_PER_RECEIPT_SINGLE_RESTRICTION": "gateway_limit",
    "ACQ.MERCHANT_PERM_RECEIPT_DAY_LIMIT": "gateway_limit",
    "ACQ.MERCHANT_PERM_RECEIPT_SINGLE_LIMIT": "gateway_limit",
    "ACQ.PRODUCT_AMOUNT_LIMIT_ERROR": "gateway_limit",
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": "gateway_limit",
    "ACQ.UN_SUPPORT_TRADE_SCENE": "method_not_supported",
    "ACQ.ACCESS_FORBIDDEN": "account_misconfigured",
    "ACQ.PARTNER_ERROR": "account_misconfigured",
    "ACQ.INVALID_RECEIVE_ACCOUNT": "account_misconfigured",
    "ACQ.MERCHANT_AGREEMENT_INVALID": "account_misconfigured",
    "ACQ.MERCHANT_AGREEMENT_NOT_EXIST": "account_misconfigured",
    "ACQ.MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT": "account_misconfigured",
    "ACQ.MERCHANT_STATUS_NOT_NORMAL": "account_misconfigured",
    "ACQ.SELLER_BEEN_BLOCKED": "account_misconfigured",
    "ACQ.SELLER_NOT_EXIST": "account_misconfigured",
}
_FAULTS_OF_THE_REQUEST = frozenset(
    {"gateway_rejected", "closed", "account_misconfigured", "method_not_supported", "currency_not_supported"}
)
_MISCONFIGURED = re.compile(
    r"isv\.(invalid-(app-id|signature|signature-type|app-auth-token|.*cert.*)"
    r"|missing-(signature|app-id|signature-config|.*cert.*)|insufficient-isv-permissions"
    r"|insufficient-user-permissions|app-.*cert.*|not-online-app|.*cert-sn.*)"
)


class NotUnderstood(ValueError):
    """A field is missing or of another form than agreed."""


def failure_code(sub_code: str) -> str:
    """Ours for a refusal's ``sub_code``; anything that is not the payer's or the trade's is our request's fault."""
    if _MISCONFIGURED.fullmatch(sub_code):
        return "account_misconfigured"
    return FAILURE_CODES.get(sub_code, "gateway_rejected")


def is_fault_of_the_request(code: str) -> bool:
    """Nothing was tried with the payer's money: the request or the account is wrong."""
    return code in _FAULTS_OF_THE_REQUEST


def yuan(minor: int) -> str:
    """``1234`` → ``"12.34"``."""
    return f"{minor // 100}.{minor % 100:02d}"


def minor(value: Any) -> int:
    """``"12.34"`` → ``1234``; never through a float. NotUnderstood."""
    match = _YUAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise NotUnderstood("an amount")
    sign, whole, part = match.groups()
    amount = int(whole) * 100 + int((part or "").ljust(2, "0") or 0)
    return -amount if sign else amount


def text(words: Any, name: str, *, is_needed: bool = True) -> str:
    value = words.get(name) if isinstance(words, dict) else None
    if value is None and not is_needed:
        return ""
    if not isinstance(value, str) or (is_needed and not value):
        raise NotUnderstood(name)
    return value


def moment(value: str) -> datetime | None:
    """A Beijing wall clock's ``yyyy-MM-dd HH:mm:ss`` (a fraction is dropped) as aware UTC; None for nothing."""
    if not value:
        return None
    try:
        # Ten times as fast as strptime, but it takes more forms than this one.
        at = datetime.fromisoformat(value[:19]) if _WALL_CLOCK.fullmatch(value) else None
    except ValueError:
        at = None
    if at is None:
        raise NotUnderstood("a time")
    return at.replace(tzinfo=BEIJING).astimezone(UTC)


def beijing(at: datetime | float) -> str:
    """An aware datetime or Unix seconds, on Alipay's wall clock, to the second before."""
    aware = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else at
    return aware.astimezone(BEIJING).strftime(_TIME)


def subject(description: str) -> str:
    """An order's title without what Alipay refuses in one, never empty."""
    plain = re.sub(r"[/=&<>\"'\\%\x00-\x1f\x7f]", " ", description)
    return " ".join(plain.split())[:256] or "Order"
