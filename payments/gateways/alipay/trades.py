"""One trade or refund as Alipay tells of it (in an answer or in a notice), in our words."""

from collections.abc import Mapping
from typing import Any

from payments.gateways.alipay import words
from payments.gateways.alipay.client import Answer
from payments.gateways.contract import GatewayOutcomeUnknown, Outcome, PaymentResult, RefundResult

OUR_CURRENCY = "CNY"


def require_about(answer: Answer, reference: str, *, name: str = "out_trade_no") -> None:
    """An answer about something else than what was asked is no answer."""
    if answer.words.get(name) != reference:
        raise GatewayOutcomeUnknown("the answer is about another reference", code="wrong_reference")


def payment_result(answer: Answer, *, reference: str, method: str) -> PaymentResult:
    """Of a verified answer to trade.query or trade.pay."""
    require_about(answer, reference)
    try:
        status = words.text(answer.words, "trade_status", is_needed=False)
        if not status:  # trade.pay does not name it: its code does
            status = "TRADE_SUCCESS" if answer.code == "10000" else "WAIT_BUYER_PAY"
        return trade_result(answer.words, status=status, method=method)
    except words.NotUnderstood as problem:
        raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None


def trade_result(told: Mapping[str, Any], *, status: str, method: str = "") -> PaymentResult:
    """NotUnderstood. Amounts and currency are as Alipay says them; a domestic trade names no currency and is in CNY."""
    amount = words.minor(told.get("total_amount"))
    outcome = words.TRADE_OUTCOMES.get(status, Outcome.PENDING)
    if status == "TRADE_CLOSED":
        outcome = Outcome.SUCCEEDED if _was_paid(told) else Outcome.CANCELED
    if outcome is Outcome.REQUIRES_ACTION and method == "alipay_mandate":
        outcome = Outcome.PENDING  # nobody is asked: Alipay is still at it, or gives up at the trade's expiry
    is_paid = outcome is Outcome.SUCCEEDED
    paid_at = words.text(told, "gmt_payment", is_needed=False) or words.text(told, "send_pay_date", is_needed=False)
    return PaymentResult(
        reference=words.text(told, "out_trade_no"),
        outcome=outcome,
        gateway_reference=words.text(told, "trade_no"),
        amount_minor=amount,
        currency=words.text(told, "trans_currency", is_needed=False) or OUR_CURRENCY,
        captured_minor=amount if is_paid else 0,
        occurred_at=words.moment(paid_at) if is_paid else None,
    )


def _was_paid(told: Mapping[str, Any]) -> bool:
    """A closed trade that money had moved in was wholly given back; it was paid all the same."""
    if any(told.get(name) for name in ("gmt_payment", "send_pay_date", "gmt_refund", "fund_bill_list")):
        return True
    return any(
        words.minor(told[name]) > 0 for name in ("receipt_amount", "buyer_pay_amount", "refund_fee") if told.get(name)
    )


def refund_result(answer: Answer, *, reference: str) -> RefundResult:
    """Of an answer to trade.fastpay.refund.query. Without ``refund_status`` the request "was not received or failed":
    neither is known, so it is NOT_FOUND, and the same request may be sent again."""
    told = answer.words
    if not told.get("refund_status"):
        return RefundResult(reference=reference, outcome=Outcome.NOT_FOUND)
    require_about(answer, reference, name="out_request_no")
    try:
        return RefundResult(
            reference=reference,
            outcome=Outcome.SUCCEEDED if told["refund_status"] == "REFUND_SUCCESS" else Outcome.PENDING,
            payment_reference=words.text(told, "out_trade_no"),
            amount_minor=words.minor(told.get("refund_amount")),
            currency=OUR_CURRENCY,
            occurred_at=words.moment(words.text(told, "gmt_refund_pay", is_needed=False)),
        )
    except words.NotUnderstood as problem:
        raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None
