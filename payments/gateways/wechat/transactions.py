"""APIv3's transaction and refund objects in our words; queries, answers and callbacks share them."""

from collections.abc import Mapping
from typing import Any

from payments.gateways.contract import Outcome, PaymentResult, RefundResult
from payments.gateways.wechat.words import REFUND_STATES, SHEET_STATES, NotUnderstood, number, part, read_time, text


def payment_result(words: Mapping[str, Any]) -> PaymentResult:
    """Raises NotUnderstood."""
    outcome = SHEET_STATES.get(text(words, "trade_state"), Outcome.PENDING)
    amount = part(words, "amount")
    total = number(amount, "total")
    if outcome is Outcome.SUCCEEDED and total is None:
        raise NotUnderstood("amount")  # what is not said cannot be compared with what is owed
    return PaymentResult(
        reference=text(words, "out_trade_no"),
        outcome=outcome,
        gateway_reference=text(words, "transaction_id"),
        amount_minor=total,
        currency=text(amount, "currency") or None,
        captured_minor=total if outcome is Outcome.SUCCEEDED else None,
        occurred_at=read_time(text(words, "success_time")),
    )


def refund_result(words: Mapping[str, Any], *, state: str) -> RefundResult:
    """``state`` is called ``status`` in answers and ``refund_status`` in callbacks. A callback names no currency; the
    interface refunds yuan only. Raises NotUnderstood."""
    outcome = REFUND_STATES.get(state, Outcome.PENDING)
    amount = part(words, "amount")
    returned = number(amount, "refund")
    return RefundResult(
        reference=text(words, "out_refund_no"),
        outcome=outcome,
        gateway_reference=text(words, "refund_id"),
        payment_reference=text(words, "out_trade_no"),
        amount_minor=returned,
        currency=text(amount, "currency") or ("CNY" if returned is not None else None),
        failure_code="closed" if outcome is Outcome.FAILED else "",
        failure_message="" if outcome is Outcome.SUCCEEDED or not state else state,
        occurred_at=read_time(text(words, "success_time")),
    )
